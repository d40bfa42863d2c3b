"""Hostile names and values: every store returns them unchanged, or in the documented encoding."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis
from bson.decimal128 import Decimal128
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from flask_chest.chests.base import AppInfo, Chest
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.influxdb.line_protocol import LineEncoder
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.chests.mongodb.documents import decode_name
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.otlp.log_records import is_free
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import dumps, encode, loads
from flask_chest.record.record import Record
from flask_chest.record.text_cleaning import replace_nul
from flask_chest.testing import make_records
from tests.servers.clickhouse import ClickHouse
from tests.servers.collector import Collector, attributes_of, records_of
from tests.servers.http import HTTPRecorder
from tests.servers.influxdb import InfluxDB
from tests.servers.kafka import Kafka
from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis

Read = Callable[[str], dict[str, Any]]

NASTY = [
    "'; DROP TABLE chest_records; --",
    'x" OR "1"="1',
    "%s %(a)s {0} ${x} %",
    "a\nb,c=1 1\r\n\\",
    "\\",
    '\\"',
    "$where",
    "a.b.$c",
    "%2E%24",
    "nul\0",
    "\\u0000",
    "😀‮\u2028\x7f\x1b",
    "\uff21A a",
    "status",
    "time",
    "_field",
    "",
]
# UTF-8 cannot encode surrogates; capture replaces them.
texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
variables = st.dictionaries(texts, values, max_size=5)

EVERYTHING: dict[str, Any] = {
    **{name: name for name in NASTY},
    "Case": 1,
    "case": 2,
    "long": "ä'\"\\" * 16_384,
    "2**53": 2**53 + 1,
    "huge": 1e308,
    "tiny": 5e-324,
    "deep": {"$set": [{"a.b": {"": None}}]},
}


def without_nul(value: Any) -> Any:
    """Replace NUL by its picture, the only change that all stores make."""
    if isinstance(value, dict):
        return {without_nul(name): without_nul(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Chest, Read]]]:
    """Each chest, with a function that reads the variables of a record from its store."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("hostile")
        made = [
            _sqlite(folder),
            _postgresql(stack.enter_context(PostgreSQL())),
            _mysql(stack.enter_context(MariaDB())),
            _mongodb(stack.enter_context(MongoDB())),
            _clickhouse(stack.enter_context(ClickHouse())),
            _redis(stack.enter_context(Redis())),
            _http(stack.enter_context(HTTPRecorder())),
        ]
        for chest, _ in made:
            chest.bind(AppInfo(instance_path=folder))
        yield made
        for chest, _ in made:
            chest.close()


@pytest.mark.server
@given(variables)
@example(EVERYTHING)
def test_stores(stores: list[tuple[Chest, Read]], given_: dict[str, Any]) -> None:
    """Every store returns variables with any name and value."""
    [record] = make_records(1)
    record = replace(record, vars=given_)
    for chest, read in stores:
        chest.write(Batch([encode(record)]))
        assert same(read(record.id), without_nul(given_)), chest


@pytest.fixture(scope="module")
def influx() -> Iterator[InfluxDB]:
    with InfluxDB() as server:
        yield server


@pytest.mark.server
@given(variables)
@example(EVERYTHING)
def test_influxdb(influx: InfluxDB, given_: dict[str, Any]) -> None:
    """InfluxDB keeps every variable: text as documented, numbers as floats."""
    [record] = make_records(1)
    # Each example has its own measurement, since a field cannot change its type.
    measurement = f"m{record.id}"
    record = replace(record, vars=given_, request_id=record.id)
    FlaskChestInfluxDB.from_url(influx.url, measurement=measurement).write([record])
    [row] = influx.query(f'SELECT * FROM "{measurement}"')
    kept = {name: row[name] for name in row.keys() - _FACTS}
    expected = {name: value for name, value in given_.items() if value is not None}
    assert len(kept) == len(expected), (kept, expected)
    encoded = sorted(map(_influx, expected.values()), key=repr)
    assert same(sorted(map(_influx, kept.values()), key=repr), encoded)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


@given(variables)
@example(EVERYTHING)
def test_collector(collector: Collector, given_: dict[str, Any]) -> None:
    """A collector gets every variable; integers beyond 63 bits are text."""
    [record] = make_records(1)
    chest = FlaskChestOTLP(collector.url)
    chest.write([record])
    [arrived] = records_of(collector.taken[-1])
    facts = attributes_of(arrived).keys() - record.vars.keys()
    chest.write([replace(record, vars=given_)])
    [arrived] = records_of(collector.taken[-1])
    expected = {name if is_free(name) else f"var.{name}": given_[name] for name in given_}
    found = attributes_of(arrived)
    assert found.keys() == facts | expected.keys()
    assert all(same(found[name], _otlp(value)) for name, value in expected.items())
    chest.close()


@pytest.mark.server
def test_kafka() -> None:
    """A message has the captured record."""
    [record] = make_records(1)
    with Kafka() as cluster:
        chest = FlaskChestKafka(cluster.url)
        chest.write(Batch([encode(replace(record, vars=EVERYTHING))]))
        [message] = cluster.messages()
        chest.close()
    assert same(loads(message.value() or b"")["vars"], EVERYTHING)


def _otlp(value: Any) -> Any:
    """The value that a collector gets."""
    if isinstance(value, dict):
        return {name: _otlp(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_otlp(each) for each in value]
    return str(value) if type(value) is int and value > 2**63 - 1 else value


@settings(max_examples=settings().max_examples * 3)
@given(variables, texts, st.booleans())
@example(EVERYTHING, "r", True)
def test_line_templates(given_: dict[str, Any], text: str, failed: bool) -> None:
    """A line from a template equals the line from the decoded record."""
    [first] = make_records(1)
    error = "KeyError" if failed else None
    first = replace(first, vars=given_, request_id=text, route=text, error=error)
    others = [replace(record, **_changes(first)) for record in make_records(3)]
    with_template = LineEncoder("m", {"t": text})
    for record in others:
        [from_record] = LineEncoder("m", {"t": text}).encode([encode(record)])
        [from_template] = with_template.encode([encode(record)])
        assert _normalize_numbers(from_template) == _normalize_numbers(from_record)
        assert b"\n" not in from_record


@pytest.fixture(scope="module")
def sqlite_chest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskChestSQLite]:
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=tmp_path_factory.mktemp("sqlite")))
    yield chest
    chest.close()


@settings(max_examples=settings().max_examples // 2)
@given(variables, texts, st.booleans())
@example(EVERYTHING, "r", True)
@example({"tags": {"a": 1, "status": 2}}, ',"status":200', False)
def test_sqlite_columns(
    sqlite_chest: FlaskChestSQLite, given_: dict[str, Any], text: str, failed: bool
) -> None:
    """SQLite stores each field of a record in its column."""
    error = "KeyError" if failed else None
    tags: dict[str, Any] = {"service": text, "kind": 1, "status": 2} if failed else {}
    alike: dict[str, Any] = {"request_id": text, "route": text, "error": error, "tags": tags}
    records = [replace(each, status=200, vars=given_, **alike) for each in make_records(3)]
    records.sort(key=lambda record: record.id)
    sqlite_chest.write(Batch([encode(record) for record in records]))
    expected = [loads(replace_nul(encode(each))) for each in records]
    for row, record in zip(expected, records, strict=True):
        row["time"] = f"{record.time:%Y-%m-%d %H:%M:%S.%f}"
    found = _rows(sqlite_chest, records)
    # SQLite has no booleans.
    assert same([{**row, "disconnected": None} for row in found], expected)


def _rows(chest: FlaskChestSQLite, records: list[Record]) -> list[dict[str, Any]]:
    """Whole rows, with decoded documents."""
    names = [column.name for column in chest.records.columns]
    marks = ",".join("?" * len(records))
    query = f"SELECT * FROM {chest.records.name} WHERE id IN ({marks}) ORDER BY id"
    with closing(sqlite3.connect(chest.file())) as connection:
        found = connection.execute(query, [record.id for record in records]).fetchall()
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return [{**row, "vars": loads(row["vars"]), "tags": loads(row["tags"])} for row in rows]


def _changes(record: Record) -> dict[str, Any]:
    names = ("vars", "request_id", "route", "error")
    return {name: getattr(record, name) for name in names}


_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def _normalize_numbers(line: bytes) -> bytes:
    """Normalize numbers: 6e-05 is 0.00006 in older versions of orjson."""
    return _NUMBER.sub(lambda found: repr(float(found[0])).encode(), line)


_FACTS = {"time", "method", "route", "endpoint", "status", "duration_ms", "request_id"}


def _influx(value: Any) -> Any:
    """The value that InfluxDB stores."""
    if isinstance(value, (dict, list)):
        value = dumps(value).decode()
    if isinstance(value, str):
        pictures = {code: chr(0x2400 + code) for code in range(32) if chr(code) != "\t"}
        return value.translate(pictures | {0x7F: "\u2421"})
    return value if isinstance(value, bool) else float(value)


def same(one: Any, two: Any) -> bool:
    """Compare values; floats may differ in the last digit, and MongoDB's decimals are integers."""
    if isinstance(one, Decimal128):
        return bool(int(one.to_decimal()) == two)
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(two, float) and isinstance(one, (int, float)):
        # PostgreSQL's numbers are decimal: 1e308 is read as an integer of 309 digits.
        return math.isclose(one, two, rel_tol=1e-15)
    return bool(one == two)


def _sqlite(folder: Path) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        with closing(sqlite3.connect(folder / "chest.db")) as connection:
            query = "SELECT vars FROM chest_records WHERE id = ?"
            [text] = connection.execute(query, [record_id]).fetchone()
        found: dict[str, Any] = loads(text)
        return found

    return FlaskChestSQLite(), read


def _postgresql(server: PostgreSQL) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        with psycopg.connect(server.url) as connection:
            query = "SELECT vars, ARRAY(SELECT name FROM chest_vars WHERE record_id = id) "
            query += "FROM chest_records WHERE id = %s"
            found = connection.execute(query.encode(), [record_id]).fetchone()
        assert found is not None
        assert set(found[1]) == set(found[0])
        stored: dict[str, Any] = found[0]
        return stored

    return FlaskChestPostgreSQL(server.url), read


def _mysql(server: MariaDB) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        connection = pymysql.connect(
            host="127.0.0.1", port=server.port, user="chest", password="secret", database="chest"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT vars FROM chest_records WHERE id = %s", [record_id])
            [(text,)] = cursor.fetchall()
            query = "SELECT name, value FROM chest_vars WHERE record_id = %s"
            cursor.execute(query, [record_id])
            view = dict(cursor.fetchall())
        found: dict[str, Any] = loads(text)
        texts = [name for name in view if isinstance(found[name], str) and name.isprintable()]
        assert all(view[name] == found[name] for name in texts)
        # MariaDB's JSON_KEYS loses an empty name after one that ends in a quote.
        assert view.keys() - {""} == found.keys() - {""}
        return found

    return FlaskChestMySQL(server.url), read


def _mongodb(server: MongoDB) -> tuple[Chest, Read]:
    def read_names(value: Any) -> Any:
        if isinstance(value, dict):
            return {decode_name(name): read_names(each) for name, each in value.items()}
        return [read_names(each) for each in value] if isinstance(value, list) else value

    def read(record_id: str) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](server.url) as client:
            found = client.chest.chest_records.find_one({"_id": record_id})
        assert found is not None
        stored: dict[str, Any] = read_names(found["vars"])
        return stored

    return FlaskChestMongoDB(server.url), read


def _clickhouse(server: ClickHouse) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        query = "SELECT vars, groupArray(name) FROM chest_records r FINAL LEFT JOIN chest_vars v "
        query += f"ON v.record_id = r.id WHERE r.id = '{record_id}' GROUP BY vars"
        [(text, names)] = server.ask(query)
        found: dict[str, Any] = loads(text)
        assert set(names) == (found.keys() or {""})
        return found

    return FlaskChestClickHouse(server.url), read


def _redis(server: Redis) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        with redis.Redis(port=server.port) as client:
            [(_, entry)] = client.xrevrange("chest", count=1)
        record = loads(entry[b"record"])
        assert record["id"] == record_id
        stored: dict[str, Any] = without_nul(record["vars"])
        return stored

    return FlaskChestRedis(server.url), read


def _http(server: HTTPRecorder) -> tuple[Chest, Read]:
    def read(record_id: str) -> dict[str, Any]:
        [record] = server.requests[-1].json
        assert record["id"] == record_id
        stored: dict[str, Any] = without_nul(record["vars"])
        return stored

    return FlaskChestCustomWriter(server.url), read
