"""Reading ClickHouse, beyond what every reader must do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.reader import ClickHouseReader
from flask_chest.query.fields import parse_field
from flask_chest.query.filters import parse_filter
from flask_chest.query.time_slices import TimeSlices
from flask_chest.record.record import Record

from ...query.records import END, many
from ...query.suite import WHOLE, check_reader
from ...servers.clickhouse import ask, in_process

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", params=["chdb", "server"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    given = os.environ.get("CHEST_TEST_CLICKHOUSE_URL")
    if request.param == "chdb":
        with in_process() as address:
            yield address
    elif given:
        yield given
    else:
        pytest.skip("CHEST_TEST_CLICKHOUSE_URL names no server")


@pytest.fixture
def chest(url: str) -> Iterator[FlaskChestClickHouse]:
    """A chest whose table nobody else has."""
    table = f"chest_{uuid4().hex[:12]}"
    chest = FlaskChestClickHouse(url, table=table)
    yield chest
    chest.close()
    ask(url, f"DROP VIEW IF EXISTS {table}_vars")
    ask(url, f"DROP TABLE IF EXISTS {table}")


def rows_of(chest: FlaskChestClickHouse, query: str) -> Sequence[Sequence[Any]]:
    connection = chest.connect({})
    try:
        rows: Sequence[Sequence[Any]] = connection.client.query(query).result_rows
        return rows
    finally:
        connection.close()


def test_finds_everything(chest: FlaskChestClickHouse) -> None:
    """It passes the suite that every reader must pass."""
    check_reader(chest)


def test_sees_each_record_once(chest: FlaskChestClickHouse) -> None:
    """What came twice, in different batches, is one record to every question, merged or not."""
    records = many(100)
    chest.write(records)
    for start in range(0, 100, 30):
        chest.write(records[start : start + 20])
    assert rows_of(chest, f"SELECT count() FROM {chest.table}") == [(170,)]
    reader = chest.reader()
    assert reader is not None
    assert reader.count(WHOLE) == reader.answer(WHOLE).whole.rows == 100
    assert reader.page(WHOLE, limit=200) == records
    assert list(reader.iter_records(WHOLE)) == records[::-1]
    assert reader.find("request-5") == [records[5]]
    [line] = reader.series(WHOLE, 3600).lines.values()
    assert sum(each.rows for each in line) == 100
    view = f"SELECT count(), uniqExact(record_id) FROM {chest.table}_vars WHERE name = 'user_id'"
    assert rows_of(chest, view) == [(100, 100)]
    reader.close()


def test_the_newest_of_a_long_time(chest: FlaskChestClickHouse) -> None:
    """Pages and reach are right whether records lie close together or years apart, and also where
    some of them came twice."""
    hours = [0, 0.001, 0.002, 1, 1.5, 30, 31, 900, 9_000, 90_000, 90_001]
    records = [
        replace(record, time=END - timedelta(hours=ago))
        for record, ago in zip(many(len(hours)), hours, strict=True)
    ]
    chest.write(records)
    chest.write(records[:4])
    reader = chest.reader()
    assert reader is not None
    query = replace(WHOLE, since=END - timedelta(days=9_000), until=END + timedelta(days=1))
    found: list[Record] = []
    while page := reader.page(query, after=found[-1].id if found else "", limit=3):
        found += page
    assert found == records
    assert reader.page(query, after="no such id") == []
    near = replace(query, since=records[5].time)
    assert reader.page(near, after=records[9].id) == []
    assert reader.scan_start(query, 6) == records[6].time
    assert reader.scan_start(query, 10) == records[10].time
    assert reader.scan_start(query, 11) is None
    assert list(reader.iter_records(query)) == records[::-1]
    nothing = replace(query, until=query.since + timedelta(days=1))
    assert reader.page(nothing) == list(reader.iter_records(nothing)) == []
    reader.close()


def test_slices_hold_what_lies_in_them(chest: FlaskChestClickHouse) -> None:
    """Those and no others are looked at, to the microsecond."""
    records = many(600)
    chest.write(records)
    reader = ClickHouseReader(chest)
    begins = [records[number].time for number in (500, 400, 390, 20, 0)]
    ranges = tuple((begin, begin + timedelta(minutes=3)) for begin in begins)
    inside = sum(any(begin <= each.time < end for begin, end in ranges) for each in records)
    assert len(begins) < inside < 20
    assert reader._count_in(TimeSlices(ranges, 0.1), 1000) == inside
    reader.max_records, reader.sample_size = 100, 90
    answer = reader.answer(WHOLE)
    assert 0 < answer.fraction < 1
    assert 0 < answer.whole.rows <= 90
    reader.close()


def test_whole_floats(chest: FlaskChestClickHouse) -> None:
    """A float that is whole reads as one, as it does in the other stores."""
    chest.write(many(100))
    reader = chest.reader()
    assert reader is not None
    found = reader.page(WHOLE.filtered(parse_filter("balance=-1.0")))
    assert [record.vars["balance"] for record in found] == [-1.0]
    groups = reader.answer(WHOLE.grouped(parse_field("balance")), limit=200).groups
    assert {"-1.0", "-1.125"} <= {group.key for group in groups}
    reader.close()


def test_reads_only(chest: FlaskChestClickHouse) -> None:
    """Nothing can be written over a reader's connection, and no query takes for ever."""
    chest.write(many(3))
    engine = chest.make_read_only_engine()
    with engine.connect() as connection:
        with pytest.raises(sa.exc.SQLAlchemyError, match=r"(?i)readonly"):
            connection.exec_driver_sql(f"TRUNCATE TABLE {chest.table}")
        query = "SELECT value FROM system.settings WHERE name = 'max_execution_time'"
        assert connection.exec_driver_sql(query).all() == [("10",)]
    engine.dispose()
    assert rows_of(chest, f"SELECT count() FROM {chest.table}") == [(3,)]


def test_erases(chest: FlaskChestClickHouse) -> None:
    """Rows are gone at once, whether they came twice or not, and from the files soon after."""
    eraser = chest.eraser()
    assert eraser is not None
    assert list(eraser.prune(END)) == []
    assert eraser.erase(["1"]) == 0
    records = many(600)
    chest.write(records)
    chest.write(records[:50])
    assert eraser.erase([record.id for record in records[:10]]) == 10
    assert eraser.erase([]) == 0
    assert list(eraser.prune(END - timedelta(hours=5))) == [300]
    assert rows_of(chest, f"SELECT count() FROM {chest.table} FINAL") == [(290,)]
    eraser.close()
    waiting = f"SELECT command FROM system.mutations WHERE table = '{chest.table}' AND NOT is_done"
    while rows_of(chest, waiting):  # each look takes its time; the engine has no event to wait for
        pass
    parts = f"SELECT sum(rows) FROM system.parts WHERE active AND table = '{chest.table}'"
    assert rows_of(chest, parts) == rows_of(chest, f"SELECT count() FROM {chest.table}")


def test_what_was_forgotten_can_be_imported(chest: FlaskChestClickHouse) -> None:
    """The same batch is no retry when somebody else brings it, after its records were erased."""
    records = many(10)
    chest.write(records)
    eraser = chest.eraser()
    assert eraser is not None
    assert eraser.erase([record.id for record in records]) == 10
    eraser.close()
    other = FlaskChestClickHouse(chest.url, table=chest.table)
    other.write(records)
    other.close()
    assert rows_of(chest, f"SELECT count() FROM {chest.table} FINAL") == [(10,)]
