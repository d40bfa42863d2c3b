"""ClickHouse: its engine in this process (chDB) and behind HTTP; a server, where there is one."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.errors import words_of
from flask_chest.chests.clickhouse.schema import read_version, spell_time
from flask_chest.chests.registry import make_chest
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.encoding import Batch, dumps, encode
from flask_chest.record.record import Record
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.clickhouse import ClickHouse, ask, in_process

from ..first_use import ROUNDS, write_at_once


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouse]:
    with ClickHouse() as server:
        yield server


@pytest.fixture(scope="module", params=["chdb", "http", "server"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address of each kind. The server is nowhere to be installed from: it is given, or not."""
    given = os.environ.get("CHEST_TEST_CLICKHOUSE_URL")
    if request.param == "chdb":
        with in_process() as address:
            yield address
    elif request.param == "http":
        server: ClickHouse = request.getfixturevalue("server")
        yield server.url
    elif given:
        yield given
    else:
        pytest.skip("CHEST_TEST_CLICKHOUSE_URL names no server")


@pytest.fixture
def table(url: str) -> Iterator[str]:
    name = f"chest_{uuid4().hex[:12]}"
    yield name
    ask(url, f"DROP VIEW IF EXISTS {name}_vars")
    ask(url, f"DROP TABLE IF EXISTS {name}")


def poison() -> Record:
    status: Any = "none"
    return replace(make_records(1)[0], status=status)


@pytest.mark.server
def test_conforms(url: str, table: str) -> None:
    """It passes the suite that every backend must pass."""
    done = check_chest(
        lambda: FlaskChestClickHouse(url, table),
        read=lambda: [found for (found,) in ask(url, f"SELECT id FROM {table} FINAL")],
        poison=poison(),
    )
    assert len(done) == 4


@pytest.mark.server
def test_conforms_when_the_server_fails(server: ClickHouse) -> None:
    """It passes with its server killed and silenced."""
    done = check_chest(
        lambda: FlaskChestClickHouse(server.url, "failing"),
        read=lambda: [found for (found,) in server.ask("SELECT id FROM failing FINAL")],
        server=server,
        timeout=5,
    )
    assert {"survives_restart", "honours_timeout"} <= set(done)


@pytest.mark.server
def test_columns_and_view(url: str, table: str) -> None:
    """A record reads back as it was, from the table and from the view of variables."""
    [record] = make_records(1)
    record = replace(record, vars={**record.vars, "none": None, "list": [1, {"a.b": 1.0}]})
    chest = FlaskChestClickHouse(url, table)
    chest.write([record])
    chest.write([record, *make_records(1)])
    chest.close()
    query = f"SELECT time, route, toString(vars), blueprint FROM {table} WHERE id = '{record.id}'"
    [found] = set(ask(url, query))
    vars_ = dumps(record.vars).decode()
    assert found == (record.time.replace(tzinfo=None), record.route, vars_, None)
    query = f"SELECT name, value FROM {table}_vars WHERE record_id = '{record.id}' ORDER BY name"
    assert ask(url, query) == [
        ("flag", "true"),
        ("list", '[1,{"a.b":1}]'),
        ("none", None),
        ("number", "0"),
        ("share", "0.5"),
        ("text", record.vars["text"]),
    ]


@pytest.mark.server
def test_batches_that_overlap(url: str, table: str) -> None:
    """Whatever batches retries are made of, each record is there once; the same batch twice is not
    even stored."""
    chance, records = random.Random(7), make_records(60)
    chest = FlaskChestClickHouse(url, table)
    chest.write(records)
    chest.write(records)
    chest.write(Batch([encode(record) for record in records]))
    assert ask(url, f"SELECT count() FROM {table}") == [(60,)]
    for _ in range(10):
        begin = chance.randrange(50)
        chest.write(records[begin : begin + chance.randint(1, 20)])
    chest.close()
    assert ask(url, f"SELECT count(), uniqExact(id) FROM {table} FINAL") == [(60, 60)]
    ask(url, f"OPTIMIZE TABLE {table} FINAL")
    assert ask(url, f"SELECT count() FROM {table}") == [(60,)]


@pytest.mark.server
def test_records_of_many_years(url: str, table: str) -> None:
    """One batch may hold records of more weeks than a server takes at once by default."""
    start = datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=timezone.utc)
    records = [
        replace(record, time=start + timedelta(weeks=20 * number))
        for number, record in enumerate(make_records(150))
    ]
    chest = FlaskChestClickHouse(url, table)
    chest.write(records)
    chest.close()
    found = [time for (time,) in ask(url, f"SELECT time FROM {table} FINAL ORDER BY time")]
    assert found == [record.time.replace(tzinfo=None) for record in records]


@pytest.mark.server
def test_retention(url: str, table: str) -> None:
    """ClickHouse deletes what is older where retention is set; it is changed and taken back."""
    found = []
    for seconds in (3600.0, 7200.0, None, 60.0):
        chest = FlaskChestClickHouse(url, table)
        chest.bind(AppInfo(instance_path=Path(), retention_seconds=seconds))
        chest.write(make_records(1))
        chest.close()
        query = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() "
        [(text,)] = ask(url, f"{query} AND name = '{table}'")
        found.append(text.partition("toIntervalSecond(")[2].partition(")")[0])
    assert found == ["3600", "7200", "", "60"]
    old = [replace(each, time=each.time - timedelta(hours=1)) for each in make_records(3)]
    chest.write(old)
    chest.close()
    ask(url, f"OPTIMIZE TABLE {table} FINAL")
    assert ask(url, f"SELECT count() FROM {table} WHERE id IN {tuple(r.id for r in old)}") == [(0,)]


@pytest.mark.server
@pytest.mark.parametrize(
    ("definition", "reason", "remedy"),
    [
        ("(id String) ENGINE = MergeTree ORDER BY id", "other columns", "another 'table'"),
        ("AS {made} ENGINE = MergeTree ORDER BY id", "engine MergeTree", "ReplacingMergeTree"),
        (
            "AS {made} ENGINE = ReplacingMergeTree ORDER BY time",
            "would replace",
            "ORDER BY with id",
        ),
    ],
)
def test_a_table_of_others(url: str, table: str, definition: str, reason: str, remedy: str) -> None:
    """A table that does not serve is left alone, and the error says what to do."""
    chest = FlaskChestClickHouse(url, f"{table}_made")
    chest.write(make_records(1))
    chest.close()
    ask(url, f"CREATE TABLE {table} {definition.format(made=f'{table}_made')}")
    chest = FlaskChestClickHouse(url, table)
    with pytest.raises(DeliveryError, match=reason) as caught:
        chest.write(make_records(1))
    assert remedy in str(caught.value)
    assert f"chest 'clickhouse' at {chest.describe()}" in str(caught.value)
    assert ask(url, f"SELECT count() FROM {table}") == [(0,)]
    ask(url, f"DROP VIEW {table}_made_vars")
    ask(url, f"DROP TABLE {table}_made")


@pytest.mark.server
def test_a_table_made_by_hand(url: str, table: str) -> None:
    """One of another order and with a TTL of its own is used as it is."""
    made = FlaskChestClickHouse(url, f"{table}_made")
    made.write(make_records(1))
    made.close()
    engine = "ReplacingMergeTree ORDER BY (time, id) TTL toDateTime(time) + INTERVAL 9 YEAR"
    ask(url, f"CREATE TABLE {table} AS {table}_made ENGINE = {engine}")
    chest = FlaskChestClickHouse(url, table)
    chest.bind(AppInfo(instance_path=Path(), retention_seconds=60.0))
    records = make_records(3)
    chest.write(records)
    chest.write(records[1:])
    chest.close()
    assert ask(url, f"SELECT count() FROM {table} FINAL") == [(3,)]
    query = f"SELECT engine_full FROM system.tables WHERE name = '{table}'"
    assert "toIntervalYear(9)" in ask(url, query)[0][0]
    ask(url, f"DROP VIEW {table}_made_vars")
    ask(url, f"DROP TABLE {table}_made")


@pytest.mark.server
def test_table_dropped_while_running(url: str, table: str) -> None:
    """A table that was dropped is made again for the batch after the one that failed."""
    chest = FlaskChestClickHouse(url, table)
    chest.write(make_records(1))
    ask(url, f"DROP VIEW {table}_vars")
    ask(url, f"DROP TABLE {table}")
    with pytest.raises(DeliveryError, match="UNKNOWN_TABLE"):
        chest.write(make_records(1))
    chest.write(make_records(2))
    assert ask(url, f"SELECT count() FROM {table}") == [(2,)]
    # A worker that died between the two leaves a table without its view.
    ask(url, f"DROP VIEW {table}_vars")
    chest.close()
    chest.write(make_records(1))
    chest.close()
    assert ask(url, f"SELECT count() FROM {table}_vars") == [(3 * 4,)]


@pytest.mark.server
def test_values_are_not_told(url: str, table: str) -> None:
    """What could not be stored is told by its name and reason, not by what it holds."""
    chest = FlaskChestClickHouse(url, table)
    status: Any = "4111-1111"
    with pytest.raises(RejectedError, match="in status") as caught:
        chest.write([replace(make_records(1)[0], status=status)])
    chest.close()
    assert "4111" not in str(caught.value)
    assert caught.value.record_ids is not None


@pytest.mark.server
def test_first_use_by_many_workers(server: ClickHouse) -> None:
    """Three processes that find no table make one, and none of them fails."""
    arguments = {"url": server.url, "table": "at_once"}
    write_at_once("FlaskChestClickHouse", arguments, workers=3)
    assert server.ask("SELECT count() FROM at_once FINAL") == [(3 * ROUNDS,)]


@pytest.mark.server
@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("chest:secret@", "chest:hunter22@", "check user and password"),
        ("chest:secret@", "nobody:hunter22@", "check user and password"),
        ("/chest", "/nowhere", "create this database"),
        ("127.0.0.1", "nowhere.invalid", "check host and port"),
    ],
)
def test_wrong_address(server: ClickHouse, old: str, new: str, remedy: str) -> None:
    """A wrong setting is told with chest, address and remedy, and without the password."""
    before, _, after = server.url.rpartition(old)
    chest = FlaskChestClickHouse(before + new + after, name="orders")
    for records in (make_records(1), None):
        with pytest.raises(DeliveryError, match=remedy) as caught:
            chest.check() if records is None else chest.write(records)
        for text in (str(caught.value), repr(chest), chest.describe()):
            assert "hunter22" not in text
            assert "secret" not in text
        assert "chest 'orders' at clickhouse://" in str(caught.value)


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS with a private CA works; without the CA, or for another name, it is refused."""
    ca = PrivateCA(tmp_path)
    with ClickHouse(ca.server_files("127.0.0.1")) as server:
        good = f"{server.url}?verify={ca.file}"
        wrong_name = good.replace("127.0.0.1", "localhost")
        chest = make_chest(good)
        chest.write(make_records(1))
        chest.close()
        for url in (server.url, wrong_name):
            chest = make_chest(url)
            with pytest.raises(DeliveryError, match=r"(?i)certificate") as caught:
                chest.write(make_records(1))
            assert "'verify'" in str(caught.value)


@pytest.mark.server
def test_a_server_that_is_too_old(server: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with its version, the oldest that serves, and what to do."""
    monkeypatch.setattr("flask_chest.chests.clickhouse.chest.OLDEST", (99, 1))
    chest = FlaskChestClickHouse(server.url)
    with pytest.raises(DeliveryError, match=r"ClickHouse 2\d\.[\d.]+ is too old; upgrade .* 99\.1"):
        chest.write(make_records(1))


def test_versions() -> None:
    """Versions are compared by their first two numbers."""
    assert read_version("24.8.14.39") == (24, 8)
    assert read_version("26.3.1.1-lts") > (24, 8) > read_version("24.3.18.7")


@pytest.mark.parametrize(
    ("microseconds", "spelled"),
    [
        (1_700_000_000_123_456, b"2023-11-14 22:13:20.123456"),
        (5, b"1970-01-01 00:00:00.000005"),
        (-1, b"1969-12-31 23:59:59.999999"),
    ],
)
def test_times(microseconds: int, spelled: bytes) -> None:
    """A time is spelled so that every version reads the same."""
    assert spell_time(microseconds) == spelled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Code: 60. DB::Exception: Code: 60. DB::Exception: No t. In scope SELECT 'secret'.",
            "error 60 (60): No t",
        ),
        (
            "(Caused by NewConnectionError(\"HTTPConnection(host='h', port=1): refused\")) at",
            "NewConnectionError: refused",
        ),
    ],
)
def test_words(text: str, told: str) -> None:
    """Of an error the reason is told; no query, and nothing that a value may stand in."""
    assert words_of(RuntimeError(text)) == told


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("mysql://h", {}),
        ("clickhouse://h:port", {}),
        ("clickhouse://h?verify=/ca.pem", {}),
        ("clickhouse+https://h?async=1", {}),
        ("clickhouse://h", {"table": "a-b"}),
        ("chdb://data", {}),
    ],
)
def test_wrong_arguments(url: str, arguments: dict[str, Any]) -> None:
    """What cannot be is told at start-up."""
    with pytest.raises(ConfigError):
        FlaskChestClickHouse(url, **arguments)


def test_from_config() -> None:
    """A dict in CHEST_CHESTS takes ClickHouse's settings."""
    url = "clickhouse+https://me:hunter22@h/db?verify=/ca.pem"
    chest = make_chest({"url": url, "settings": {"async_insert": 1}, "name": "fleet"})
    assert repr(chest) == "<FlaskChestClickHouse 'fleet' clickhouse+https://me@h/db>"


@pytest.mark.parametrize(
    ("missing", "told"),
    [("clickhouse_connect", r'pip install "flask-chest\[clickhouse\]"'), ("chdb", "chdb")],
)
def test_missing_driver(missing: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what it needs the constructor says what to install."""
    monkeypatch.setattr(
        "flask_chest.chests.client.find_spec", lambda name: None if name == missing else name
    )
    with pytest.raises(ConfigError, match=told):
        FlaskChestClickHouse("chdb:///data")
