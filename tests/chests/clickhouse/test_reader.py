"""Tests the reader of ClickHouse, beyond the common suite."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.reader import ClickHouseReader
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.time_slices import TimeSlices
from flask_chest.record.record import Record

from ...query.records import END, sample_records
from ...query.suite import WHOLE, check_reader
from .conftest import rows_of

pytestmark = pytest.mark.server


def test_finds_everything(chest: FlaskChestClickHouse) -> None:
    """The reader passes the common suite."""
    check_reader(chest)


def test_sees_each_record_once(chest: FlaskChestClickHouse) -> None:
    """A record that was stored twice in different batches counts once in every query."""
    records = sample_records(100)
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


def test_newest_records_of_a_long_range(chest: FlaskChestClickHouse) -> None:
    """Pages and scan_start are right for records that are close together, years apart or stored
    twice."""
    hours = [0, 0.001, 0.002, 1, 1.5, 30, 31, 900, 9_000, 90_000, 90_001]
    records = [
        replace(record, time=END - timedelta(hours=ago))
        for record, ago in zip(sample_records(len(hours)), hours, strict=True)
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


def test_slices_are_exact(chest: FlaskChestClickHouse) -> None:
    """Queries read exactly the records within the slices, to the microsecond."""
    records = sample_records(600)
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
    """A whole float has the key of the equal integer, as in the other stores."""
    chest.write(sample_records(100))
    reader = chest.reader()
    assert reader is not None
    found = reader.page(WHOLE.filtered(parse_filter("balance=-1.0")))
    assert [record.vars["balance"] for record in found] == [-1.0]
    groups = reader.answer(WHOLE.grouped(parse_field("balance")), limit=200).groups
    assert {"-1", "-1.125"} <= {group.key for group in groups}
    reader.close()


def test_reader_cannot_write(chest: FlaskChestClickHouse) -> None:
    """A reader's connection refuses writes and limits each query's time."""
    chest.write(sample_records(3))
    engine = chest.make_read_only_engine()
    with engine.connect() as connection:
        with pytest.raises(sa.exc.SQLAlchemyError, match=r"(?i)readonly"):
            connection.exec_driver_sql(f"TRUNCATE TABLE {chest.table}")
        query = "SELECT value FROM system.settings WHERE name = 'max_execution_time'"
        assert connection.exec_driver_sql(query).all() == [("10",)]
    engine.dispose()
    assert rows_of(chest, f"SELECT count() FROM {chest.table}") == [(3,)]
