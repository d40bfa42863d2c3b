"""Queries that rollups answer, and queries that need records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from flask_chest import FlaskChestSQLite, Record
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.query.fields import ROUTE, parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..helpers import make_sqlite_chest, open_reader
from .suite import DAYS, assert_same_answer, days_of_records, long_query, maintain, now


@pytest.fixture(scope="module")
def rolled_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLReader]:
    """A reader of a store with rollups whose records still exist."""
    chest = make_sqlite_chest(tmp_path_factory.mktemp("rolled_up"))
    chest.write(list(days_of_records(now())))
    maintain(chest)
    chest.close()
    reader = open_reader(chest)
    assert isinstance(reader, SQLReader)
    yield reader
    reader.close()


def test_intervals_shorter_than_a_day(chest: FlaskChestSQLite) -> None:
    """Rollups of hours answer series with intervals of hours, also after records were pruned."""
    end = now()
    chest.write(list(days_of_records(end)))
    query = long_query(end)
    reader = open_reader(chest)
    before = reader.series(query, 3600)
    maintain(chest)
    maintain(chest, timedelta(days=1))
    assert reader.count(query) < DAYS * 200
    after = reader.series(query, 3600)
    assert after.step == before.step == 3600
    assert sum(each.rows for each in after.lines[None]) == DAYS * 200
    assert reader.series(query, 600).step == 3600, "pruned records are known by the hour only"
    reader.close()
    chest.close()


def test_estimates_beside_rollups(chest: FlaskChestSQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the records after the last rollup are sampled, answers and series report it."""
    end = now()
    chest.write(list(days_of_records(end)))
    maintain(chest)
    busy = days_of_records(end, 1)
    chest.write(
        [
            replace(record, id=f"{number:032x}", time=end - timedelta(seconds=number + 1))
            for number, record in enumerate(busy)
        ]
    )
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    reader = open_reader(chest)
    answer = reader.answer(long_query(end))
    assert reader.series(long_query(end), 7200).fraction == answer.fraction < 1
    reader.close()
    chest.close()


def test_records_first(chest: FlaskChestSQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as all records are stored, percentiles of a long range are values that occurred."""
    monkeypatch.undo()
    end = now()
    records = list(days_of_records(end))
    durations = {each.duration_ms for each in records}
    chest.write(records)
    maintain(chest)
    reader = open_reader(chest)
    for summary in reader.series(long_query(end), 86_400).lines[None]:
        assert not summary.rows or set(summary.percentiles) <= durations
    assert set(reader.answer(long_query(end)).whole.percentiles) <= durations
    maintain(chest, timedelta(days=1))
    assert reader.answer(long_query(end)).whole.rows == len(records)
    reader.close()
    chest.close()


def test_given_groups(rolled_up: SQLReader) -> None:
    """A series from rollups has the requested groups."""
    lines = rolled_up.series(long_query(now()).grouped(ROUTE), 7200, keys=["/"]).lines
    assert list(lines) == ["/"]


def test_percentiles_of_variables(chest: FlaskChestSQLite) -> None:
    """Rollups have no percentiles of variables, and those of the last records are not returned."""
    end = now()
    chest.write(list(days_of_records(end)))
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    query = replace(long_query(end), measure=parse_field("balance"))
    whole = reader.answer(query).whole
    assert whole.measured > 0
    assert whole.percentiles == [None, None, None]
    reader.close()
    chest.close()


def test_intervals_of_days(chest: FlaskChestSQLite) -> None:
    """If only rollups of days are left, intervals start at midnight."""
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=120)
    records = [
        Record(id=f"{number:032x}", time=midnight + timedelta(hours=6 * number), route="/")
        for number in range(4 * 12)
    ]
    chest.write(records)
    maintain(chest, timedelta(days=100))
    reader = open_reader(chest)
    begin = midnight + timedelta(days=2, hours=18)
    series = reader.series(Query(since=begin, until=begin + timedelta(days=7)), 21_600)
    days = [midnight + timedelta(days=number) for number in range(2, 10)]
    assert series.starts == [each.timestamp() for each in days]
    assert [each.rows for each in series.lines[None]] == [0, 4, 4, 4, 4, 4, 4, 0]
    reader.close()
    chest.close()


def test_short_range_without_records(chest: FlaskChestSQLite) -> None:
    """Rollups answer a short range whose records were pruned."""
    end = now().replace(minute=0, second=0, microsecond=0)
    chest.write(list(days_of_records(end)))
    reader = open_reader(chest)
    day = Query(since=end - timedelta(days=3), until=end - timedelta(days=2))
    before = reader.answer(day.grouped(ROUTE)), reader.series(day, 1800)
    maintain(chest, timedelta(days=1))
    assert reader.count(day) == 0
    assert_same_answer(before[0], reader.answer(day.grouped(ROUTE)))
    after = reader.series(day, 1800)
    assert (before[1].step, after.step) == (1800, 3600)
    assert sum(each.rows for each in after.lines[None]) == 200
    reader.close()
    chest.close()


@pytest.mark.parametrize("hours", [47, 48, 49, 50, 51])
def test_a_chart_of_two_pruned_days(chest: FlaskChestSQLite, hours: int) -> None:
    """A chart has every pruned record, also if its intervals are shorter than an hour."""
    end = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    begin = end - timedelta(hours=hours)
    chest.write(
        [
            Record(id=f"{number:032x}", time=begin + timedelta(hours=number), route="/")
            for number in range(hours)
        ]
    )
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    query = Query(since=begin, until=end)
    assert reader.count(query) == 0
    series = reader.series(query, 1800)
    assert series.step == 3600
    assert [each.rows for each in series.lines[None]] == [1] * hours
    assert reader.answer(query).whole.rows == hours
    reader.close()
    chest.close()


@pytest.mark.parametrize("text", ["route=", "route!=", "route=/a", "route!=/a", "route~A"])
def test_filters_of_the_route(chest: FlaskChestSQLite, text: str) -> None:
    """A filter of the route matches the same records in ranges of any length, pruned or not."""
    end = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    routes = (None, "", "/a", "/A", "/a ", "/b", "/b")
    chest.write(
        [
            Record(id=f"{number:032x}", time=end - timedelta(seconds=number + 1), route=route)
            for number, route in enumerate(routes)
        ]
    )
    reader = open_reader(chest)
    short = Query(since=end - timedelta(hours=1), until=end).filtered(parse_filter(text))
    long = replace(short, since=end - timedelta(days=9))
    expected = reader.count(short)
    for retention in (None, None, timedelta(days=1)):
        for query in (short, long):
            assert reader.answer(query).whole.rows == expected, query.seconds
        maintain(chest, retention)
    assert reader.count(long) == 0
    for query in (short, long):
        assert reader.answer(query).whole.rows == expected, query.seconds
    reader.close()
    chest.close()


@pytest.mark.parametrize("measure", ["status", "tags.version", "vars.nowhere"])
def test_queries_that_need_records(rolled_up: SQLReader, measure: str) -> None:
    """Records answer queries of columns and tags, and queries with filters other than the route."""
    query = replace(long_query(now()), measure=parse_field(measure))
    assert rolled_up.answer(query).whole.rows == DAYS * 200
    filtered = long_query(now()).filtered(parse_filter("user_id=3"))
    assert rolled_up.answer(filtered).whole.rows == rolled_up.count(filtered) > 0
