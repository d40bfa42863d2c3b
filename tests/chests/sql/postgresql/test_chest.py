"""The PostgreSQL chest, with a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.named import stoppable_server, url_of
from tests.servers.postgresql import PostgreSQL

from ...first_use import ROUNDS, write_at_once

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    return url_of(request, "CHEST_TEST_POSTGRESQL_URL")


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> PostgreSQL | None:
    """The server if tests may stop it, else ``None``."""
    server: PostgreSQL | None = stoppable_server(request, "CHEST_TEST_POSTGRESQL_URL")
    return server


@pytest.fixture
def table(url: str) -> Iterator[str]:
    name = f"chest_{uuid4().hex[:12]}"
    yield name
    with psycopg.connect(url) as connection:
        connection.execute(f'DROP VIEW IF EXISTS "{name}_vars"'.encode())
        connection.execute(f'DROP TABLE IF EXISTS "{name}"'.encode())
        connection.execute("DELETE FROM chest_schema WHERE table_name = %s", [name])


@contextmanager
def chest_of(url: str, table: str) -> Iterator[FlaskChestPostgreSQL]:
    chest = FlaskChestPostgreSQL(url, table=table)
    yield chest
    chest.close()


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_conforms(ours: PostgreSQL | None, url: str, table: str) -> None:
    """The chest passes the checks that all chests pass, also if its server is down or hangs."""
    done = check_chest(
        lambda: FlaskChestPostgreSQL(url, table=table),
        read=lambda: [found for (found,) in ask(url, f'SELECT id FROM "{table}"')],
        poison=replace(make_records(1)[0], request_id="x" * 300),
        server=ours,
        timeout=5,
    )
    assert len(done) == (6 if ours else 4)


def test_columns_and_view(url: str, table: str) -> None:
    """A record is unchanged in the table and in the view of variables."""
    [record] = make_records(1)
    with chest_of(url, table) as chest:
        chest.write([record])
    [(time, route, vars_)] = ask(url, f'SELECT "time", route, vars FROM "{table}"')
    assert (time, route, vars_) == (record.time, record.route, record.vars)
    rows = ask(url, f'SELECT record_id, name, value FROM "{table}_vars" ORDER BY name')
    assert rows == [
        (record.id, "flag", "true"),
        (record.id, "number", "0"),
        (record.id, "share", "0.5"),
        (record.id, "text", record.vars["text"]),
    ]


def test_vars_are_jsonb_and_indexes_exist(url: str, table: str) -> None:
    """Variables are JSONB; time, route and request id have indexes."""
    with chest_of(url, table) as chest:
        chest.write(make_records(1))
    query = f'SELECT pg_typeof(vars)::text FROM "{table}"'
    assert ask(url, query) == [("jsonb",)]
    indexes = ask(url, f"SELECT indexname FROM pg_indexes WHERE tablename = '{table}'")
    assert {f"ix_{table}_time", f"ix_{table}_route", f"ix_{table}_request_id"} <= {
        name for (name,) in indexes
    }


def test_first_use_by_many_workers(url: str, table: str) -> None:
    """Eight processes create one table at the same time, and none of them fails."""
    write_at_once("FlaskChestPostgreSQL", {"url": url, "table": table}, workers=8)
    assert ask(url, f'SELECT count(*) FROM "{table}"') == [(8 * ROUNDS,)]


def test_duplicates(url: str, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """New records are sent with COPY; a batch with a stored record is sent again with INSERT."""
    ways: list[str] = []
    insert = FlaskChestPostgreSQL.insert

    def told(chest: FlaskChestPostgreSQL, *given: Any) -> None:
        ways.append("insert")
        insert(chest, *given)

    monkeypatch.setattr(FlaskChestPostgreSQL, "insert", told)
    first, second = make_records(500), make_records(500)
    with chest_of(url, table) as chest:
        chest.write(Batch([encode(record) for record in first]))
        assert ways == []
        chest.write(Batch([encode(record) for record in (*second[:250], first[0], *second[250:])]))
        assert ways == ["insert"]
    assert ask(url, f'SELECT count(*) FROM "{table}"') == [(1000,)]


def test_copy_and_insert_are_equal(url: str, table: str) -> None:
    """COPY and INSERT store the same rows."""
    tags: dict[str, Any] = {"service": "a\tb\\", "x": {"status": [1, None, "\n"]}}
    records = [replace(each, tags=tags, route="\r\\N\t", error="\\.") for each in make_records(3)]
    with chest_of(url, table) as chest:
        chest.write(records)
        found = f'SELECT to_jsonb(r) FROM "{table}" AS r ORDER BY id'
        copied = ask(url, found)
        with psycopg.connect(url) as connection:
            connection.execute(f"DELETE FROM \"{table}\" WHERE id > '{records[0].id}'".encode())
        chest.write(records)
    assert ask(url, found) == copied
    assert len(copied) == 3


def test_row_level_security(server: PostgreSQL) -> None:
    """A table with row-level security, which COPY does not support, accepts records."""
    first = FlaskChestPostgreSQL(server.url)
    first.write(make_records(1))
    first.close()
    with psycopg.connect(server.url) as connection:
        for statement in (
            "CREATE ROLE writer LOGIN PASSWORD 'secret'",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO writer",
            "ALTER TABLE chest_records ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY all_of_it ON chest_records USING (true)",
        ):
            connection.execute(statement.encode())
    chest = FlaskChestPostgreSQL(server.url.replace("chest:", "writer:"))
    chest.write(make_records(2))
    chest.close()
    assert ask(server.url, "SELECT count(*) FROM chest_records") == [(3,)]


def test_batch_bigger_than_one_statement(
    url: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch beyond the limit of a statement is split, in one transaction."""
    monkeypatch.setattr(FlaskChestPostgreSQL, "body_bytes", 2000)
    records = make_records(50)
    with chest_of(url, table) as chest:
        chest.write(records[:1])  # a duplicate, so that the batch is sent with INSERT
        chest.write(Batch([encode(record) for record in records]))
    assert ask(url, f'SELECT count(*) FROM "{table}"') == [(50,)]


def test_table_with_other_columns(url: str, table: str) -> None:
    """A table of another application is not changed, and the error has a remedy."""
    with psycopg.connect(url) as connection:
        connection.execute(f'CREATE TABLE "{table}" (id int)'.encode())
    with chest_of(url, table) as chest, pytest.raises(DeliveryError, match="other columns") as e:
        chest.write(make_records(1))
    assert "another 'table'" in str(e.value)
    assert ask(url, f'SELECT count(*) FROM "{table}"') == [(0,)]


def test_table_dropped_while_running(url: str, table: str) -> None:
    """After a failed batch, a dropped table is created again."""
    with chest_of(url, table) as chest:
        chest.write(make_records(1))
        with psycopg.connect(url) as connection:
            connection.execute(f'DROP TABLE "{table}" CASCADE'.encode())
        with pytest.raises(DeliveryError, match=r"UndefinedTable \(42P01\); the next batch"):
            chest.write(make_records(1))
        chest.write(make_records(1))
    assert ask(url, f'SELECT count(*) FROM "{table}_vars"') == [(4,)]


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("chest:secret@", "chest:hunter22@", "check user and password"),
        ("chest:secret@", "nobody:hunter22@", "check user and password"),
        ("/chest", "/nowhere", "create this database"),
        ("127.0.0.1", "nowhere.invalid", "check host and port"),
    ],
)
def test_wrong_address(server: PostgreSQL, old: str, new: str, remedy: str) -> None:
    """The error has chest, address and remedy, and no password."""
    before, _, after = server.url.rpartition(old)
    chest = FlaskChestPostgreSQL(before + new + after, name="orders")
    with pytest.raises(DeliveryError, match=remedy) as caught:
        chest.write(make_records(1))
    for text in (str(caught.value), repr(chest), chest.describe()):
        assert "hunter22" not in text
        assert "secret" not in text
    assert "chest 'orders' at postgresql://" in str(caught.value)


def test_private_ca(tmp_path: Path) -> None:
    """TLS is used if available; with a CA the certificate and the host name are verified."""
    folder = tmp_path / "other"
    folder.mkdir()
    ours, other = PrivateCA(tmp_path), PrivateCA(folder)
    with PostgreSQL(certificate=ours.server_files("localhost")) as server:
        chest = FlaskChestPostgreSQL(server.url)
        chest.write(make_records(1))
        seen = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE state = 'idle'"
        assert ask(server.url, seen) == [(True,)]
        chest.close()
        by_name = server.url.replace("127.0.0.1", "localhost") + "?sslmode=verify-full"
        checked = FlaskChestPostgreSQL(f"{by_name}&sslrootcert={ours.file}")
        checked.write(make_records(1))
        checked.close()
        by_number = f"{server.url}?sslmode=verify-full&sslrootcert={ours.file}"
        for url in (f"{by_name}&sslrootcert={other.file}", by_number):
            with pytest.raises(DeliveryError, match="certificate"):
                FlaskChestPostgreSQL(url).write(make_records(1))


def test_value_that_is_not_json(url: str, table: str) -> None:
    """A record with an arbitrary object is rejected."""
    [record] = make_records(1)
    bad: Any = {"thing": object()}
    with chest_of(url, table) as chest, pytest.raises(RejectedError) as caught:
        chest.write([replace(record, vars=bad)])
    assert caught.value.record_ids == frozenset([record.id])


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:pa@ss/w0rd@h/db", "postgresql://u:pa#w0rd@h/db", "postgresql://u:w0rd[@h/"],
)
def test_malformed_url(url: str) -> None:
    """The error about unencoded characters does not quote the password."""
    with pytest.raises(ConfigError, match="percent-encode") as caught:
        FlaskChestPostgreSQL(url)
    assert "w0rd" not in str(caught.value)


def test_sqlalchemy_1_4(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra that installs SQLAlchemy 2. A simulation of the older version."""
    monkeypatch.setattr("sqlalchemy.__version__", "1.4.42")
    with pytest.raises(ConfigError, match=r"needs SQLAlchemy 2, and 1\.4\.42 .*\[postgresql\]"):
        FlaskChestPostgreSQL("postgresql://localhost/db")


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error names the extra to install."""
    monkeypatch.setattr("flask_chest.chests.drivers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[postgresql\]"'):
        FlaskChestPostgreSQL("postgresql://localhost/db")
