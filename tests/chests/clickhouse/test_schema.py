"""Tests the table in ClickHouse: its columns, its retention and existing tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.schema import format_time
from flask_chest.chests.clickhouse.version import parse_version
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import dumps
from flask_chest.testing import make_records
from tests.servers.clickhouse import ask


@pytest.mark.server
def test_columns_and_view(url: str, table: str) -> None:
    """A record is stored unchanged, in the table and in the view of variables."""
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
def test_retention(url: str, table: str) -> None:
    """ClickHouse deletes records older than the retention, which can be changed and removed."""
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
def test_unusable_table(url: str, table: str, definition: str, reason: str, remedy: str) -> None:
    """A table that cannot be used is not changed, and the error has a remedy."""
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
def test_table_created_by_the_user(url: str, table: str) -> None:
    """A table with another order and its own TTL is used unchanged."""
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
    """A dropped table is created again for the batch after the one that failed."""
    chest = FlaskChestClickHouse(url, table)
    chest.write(make_records(1))
    ask(url, f"DROP VIEW {table}_vars")
    ask(url, f"DROP TABLE {table}")
    with pytest.raises(DeliveryError, match="UNKNOWN_TABLE"):
        chest.write(make_records(1))
    chest.write(make_records(2))
    assert ask(url, f"SELECT count() FROM {table}") == [(2,)]
    # A worker that dies between creating the two leaves a table without its view.
    ask(url, f"DROP VIEW {table}_vars")
    chest.close()
    chest.write(make_records(1))
    chest.close()
    assert ask(url, f"SELECT count() FROM {table}_vars") == [(3 * 4,)]


def test_versions() -> None:
    """Versions are compared by their first two numbers."""
    assert parse_version("24.8.14.39") == (24, 8)
    assert parse_version("26.3.1.1-lts") > (24, 8) > parse_version("24.3.18.7")


@pytest.mark.parametrize(
    ("microseconds", "formatted"),
    [
        (1_700_000_000_123_456, b"2023-11-14 22:13:20.123456"),
        (5, b"1970-01-01 00:00:00.000005"),
        (-1, b"1969-12-31 23:59:59.999999"),
    ],
)
def test_times(microseconds: int, formatted: bytes) -> None:
    """Times are formatted in UTC, with microseconds."""
    assert format_time(microseconds) == formatted
