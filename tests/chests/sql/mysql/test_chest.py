"""The MySQL chest, with a MariaDB server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode, loads
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.mariadb import MariaDB
from tests.servers.named import stoppable_server, url_of

from ...first_use import ROUNDS, write_at_once


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    return url_of(request, "CHEST_TEST_MYSQL_URL")


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> MariaDB | None:
    """The server if tests may stop it, else ``None``."""
    server: MariaDB | None = stoppable_server(request, "CHEST_TEST_MYSQL_URL")
    return server


@pytest.fixture
def table(url: str) -> Iterator[str]:
    name = f"chest_{uuid4().hex[:12]}"
    yield name
    ask(url, f"DROP VIEW IF EXISTS `{name}_vars`")
    ask(url, f"DROP TABLE IF EXISTS `{name}`")


@contextmanager
def chest_of(url: str, table: str) -> Iterator[FlaskChestMySQL]:
    chest = FlaskChestMySQL(url, table=table)
    yield chest
    chest.close()


def connect(url: str) -> pymysql.Connection[Any]:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path[1:],
        autocommit=True,
    )


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.server
def test_conforms(ours: MariaDB | None, url: str, table: str) -> None:
    """The chest passes the checks that all chests pass, also if its server is down or hangs."""
    done = check_chest(
        lambda: FlaskChestMySQL(url, table=table),
        read=lambda: [found for (found,) in ask(url, f"SELECT id FROM `{table}`")],
        poison=replace(make_records(1)[0], request_id="x" * 300),
        server=ours,
        timeout=5,
    )
    assert len(done) == (6 if ours else 4)


@pytest.mark.server
def test_columns_and_view(url: str, table: str) -> None:
    """A record is unchanged in the table and in the view of variables."""
    [record] = make_records(1)
    values: dict[str, Any] = {
        "big": 2**63,
        "list": [1, {"a": None}],
        "none": None,
        'q"u\\o.te$[0]': "x",
        "Q": "y",
    }
    record = replace(record, disconnected=True, bytes_sent=2**40, vars={**record.vars, **values})
    with chest_of(url, table) as chest:
        chest.write([record])
    query = f"SELECT time, route, duration_ms, disconnected, bytes_sent FROM `{table}`"
    [row] = ask(url, query)
    assert row == (record.time.replace(tzinfo=None), record.route, 1.5, 1, 2**40)
    rows = ask(url, f"SELECT name, value FROM `{table}_vars`")
    assert dict(rows) == {
        "number": "0",
        "share": "0.5",
        "text": record.vars["text"],
        "flag": "true",
        "big": str(2**63),
        "list": '[1, {"a": null}]',
        "none": None,
        'q"u\\o.te$[0]': "x",
        "Q": "y",
    }


@pytest.mark.server
@pytest.mark.parametrize(
    "changes", [{"status": "nope"}, {"status": 2**40}, {"duration_ms": "x"}, {"kind": "x" * 99}]
)
def test_too_long_values(url: str, table: str, changes: dict[str, Any]) -> None:
    """Values that do not fit a column are rejected, not truncated."""
    with chest_of(url, table) as chest, pytest.raises(RejectedError):
        chest.write([replace(make_records(1)[0], **changes)])


@pytest.mark.server
def test_sql_modes() -> None:
    """Text is stored unchanged in SQL modes with other quotes and escapes."""
    text = "it's \\' a \"quote\" \\\\"
    records = [replace(each, vars={text: text}, route=text) for each in make_records(2)]
    with MariaDB("--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES") as server:
        chest = FlaskChestMySQL(server.url)
        chest.write(records)
        chest.close()
        rows = ask(server.url, "SELECT route, vars FROM chest_records")
    assert [(route, loads(vars_)) for route, vars_ in rows] == [(text, {text: text})] * 2


@pytest.mark.server
def test_second_server(server: MariaDB) -> None:
    """A second server does not delete the temporary tables of the first one."""
    with connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE passing (number int) ENGINE=Aria")
        with MariaDB():
            cursor.execute("DROP TEMPORARY TABLE passing")


@pytest.mark.server
def test_long_route(url: str, table: str) -> None:
    """A route longer than a TEXT column is stored in full."""
    with chest_of(url, table) as chest:
        chest.write([replace(make_records(1)[0], route="x" * 70_000)])
    assert ask(url, f"SELECT length(route) FROM `{table}`") == [(70_000,)]


@pytest.mark.server
def test_first_use_by_many_workers(url: str, table: str) -> None:
    """Eight processes create one table at the same time, and none of them fails."""
    write_at_once("FlaskChestMySQL", {"url": url, "table": table}, workers=8)
    assert ask(url, f"SELECT count(*) FROM `{table}`") == [(8 * ROUNDS,)]


@pytest.mark.server
def test_batch_bigger_than_a_packet(url: str, table: str) -> None:
    """A batch beyond the packet limit of the server (16 MiB) is split into statements."""
    records = [replace(record, vars={"text": "'" * 60_000}) for record in make_records(400)]
    with chest_of(url, table) as chest:
        chest.write(Batch([encode(record) for record in records]))
    assert ask(url, f"SELECT count(*) FROM `{table}`") == [(400,)]


@pytest.mark.server
def test_table_with_other_columns(url: str, table: str) -> None:
    """A table of another application is not changed, and the error has a remedy."""
    ask(url, f"CREATE TABLE `{table}` (id int)")
    with chest_of(url, table) as chest, pytest.raises(DeliveryError, match="another 'table'"):
        chest.write(make_records(1))


@pytest.mark.server
@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("chest:secret@", "chest:hunter22@", "check user and password"),
        ("/chest", "/nowhere", "grant this user rights on the database|create this database"),
        ("127.0.0.1", "nowhere.invalid", "check host and port"),
    ],
)
def test_wrong_address(server: MariaDB, old: str, new: str, remedy: str) -> None:
    """The error has chest, address and remedy, and no password."""
    before, _, after = server.url.rpartition(old)
    chest = FlaskChestMySQL(before + new + after, name="orders")
    with pytest.raises(DeliveryError, match=remedy) as caught:
        chest.write(make_records(1))
    for text in (str(caught.value), repr(chest), chest.describe()):
        assert "hunter22" not in text
        assert "secret" not in text
    assert "chest 'orders' at mariadb://" in str(caught.value)


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS is used if available; with ``ssl_ca`` the certificate and the host name are verified."""
    folder = tmp_path / "other"
    folder.mkdir()
    ours, other = PrivateCA(tmp_path), PrivateCA(folder)
    with MariaDB(certificate=ours.server_files("localhost")) as server:
        by_name = server.url.replace("127.0.0.1", "localhost")
        chest = FlaskChestMySQL(by_name)
        with chest.engine().connect() as connection:
            [(_, cipher)] = connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'")
        chest.close()
        assert cipher
        FlaskChestMySQL(f"{by_name}?ssl_ca={ours.file}").write(make_records(1))
        for url in (f"{by_name}?ssl_ca={other.file}", f"{server.url}?ssl_ca={ours.file}"):
            with pytest.raises(DeliveryError, match="certificate"):
                FlaskChestMySQL(url).write(make_records(1))


@pytest.mark.parametrize(
    "url", ["postgresql://h/db", "mysql://h", "mysql://h/db?ssl=1", "mysql://h:many/db"]
)
def test_wrong_url(url: str) -> None:
    """A wrong URL is an error at start-up."""
    with pytest.raises(ConfigError):
        FlaskChestMySQL(url)


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyMySQL the error names the extra to install."""
    monkeypatch.setattr("flask_chest.chests.drivers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[mysql\]"'):
        FlaskChestMySQL("mysql://localhost/db")
