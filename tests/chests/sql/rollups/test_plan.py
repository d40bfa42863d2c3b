"""Which questions the sums of hours and days answer, and which the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chest import FlaskChestSQLite, Record
from flask_chest.chests.base import AppInfo
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.query.fields import ROUTE, parse_field
from flask_chest.query.filters import parse_filter
from flask_chest.query.query import Query

from ....operations.suite import DAYS, days_of_records, keep, long_query, now, reader_of, same


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=tmp_path, timeout=5))
    return chest


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLReader]:
    """Reads a chest whose hours are summed up, and whose records are there still."""
    chest = FlaskChestSQLite()
    folder = tmp_path_factory.mktemp("kept")
    chest.bind(AppInfo(instance_path=folder, timeout=5))
    chest.write(list(days_of_records(now())))
    keep(chest)
    chest.close()
    reader = reader_of(chest)
    assert isinstance(reader, SQLReader)
    yield reader
    reader.close()


def test_intervals_shorter_than_a_day(chest: FlaskChestSQLite) -> None:
    """Sums of hours are drawn as they are, also where their records are gone."""
    end = now()
    chest.write(list(days_of_records(end)))
    query = long_query(end)
    reader = reader_of(chest)
    before = reader.series(query, 3600)
    keep(chest)
    keep(chest, timedelta(days=1))
    assert reader.count(query) < DAYS * 200
    after = reader.series(query, 3600)
    assert after.step == before.step == 3600
    assert sum(each.rows for each in after.lines[None]) == DAYS * 200
    assert reader.series(query, 600).step == 600, "of shorter ones the records tell"
    reader.close()
    chest.close()


def test_estimates_beside_sums(chest: FlaskChestSQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is estimated of the last hour is told, also of figures over time."""
    end = now()
    chest.write(list(days_of_records(end)))
    keep(chest)
    busy = days_of_records(end, 1)
    chest.write(
        [
            replace(record, id=f"{number:032x}", time=end - timedelta(seconds=number + 1))
            for number, record in enumerate(busy)
        ]
    )
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    reader = reader_of(chest)
    answer = reader.answer(long_query(end))
    assert reader.series(long_query(end), 7200).fraction == answer.fraction < 1
    reader.close()
    chest.close()


def test_chosen_lines(kept: SQLReader) -> None:
    """Sums tell of those groups that are asked for, too."""
    lines = kept.series(long_query(now()).grouped(ROUTE), 7200, keys=["/"]).lines
    assert list(lines) == ["/"]


def test_percentiles_of_a_part(chest: FlaskChestSQLite) -> None:
    """Of a variable sums know no percentiles: those of the last records do not take their place."""
    end = now()
    chest.write(list(days_of_records(end)))
    keep(chest, timedelta(days=1))
    reader = reader_of(chest)
    query = replace(long_query(end), measure=parse_field("balance"))
    whole = reader.answer(query).whole
    assert whole.measured > 0
    assert whole.percentiles == [None, None, None]
    reader.close()
    chest.close()


def test_days_of_long_ago(chest: FlaskChestSQLite) -> None:
    """Where days are all that is left, an interval is a day of the calendar, drawn as that."""
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=120)
    records = [
        Record(id=f"{number:032x}", time=midnight + timedelta(hours=6 * number), route="/")
        for number in range(4 * 12)
    ]
    chest.write(records)
    keep(chest, timedelta(days=100))
    reader = reader_of(chest)
    begin = midnight + timedelta(days=2, hours=18)
    series = reader.series(Query(since=begin, until=begin + timedelta(days=7)), 21_600)
    days = [midnight + timedelta(days=number) for number in range(2, 10)]
    assert series.starts == [each.timestamp() for each in days]
    assert [each.rows for each in series.lines[None]] == [0, 4, 4, 4, 4, 4, 4, 0]
    reader.close()
    chest.close()


def test_a_short_range_whose_records_are_gone(chest: FlaskChestSQLite) -> None:
    """Its sums tell of it, and not of nothing."""
    end = now().replace(minute=0, second=0, microsecond=0)
    chest.write(list(days_of_records(end)))
    reader = reader_of(chest)
    day = Query(since=end - timedelta(days=3), until=end - timedelta(days=2))
    before = reader.answer(day.grouped(ROUTE)), reader.series(day, 1800)
    keep(chest, timedelta(days=1))
    assert reader.count(day) == 0
    same(before[0], reader.answer(day.grouped(ROUTE)))
    after = reader.series(day, 1800)
    assert (before[1].step, after.step) == (1800, 3600)
    assert sum(each.rows for each in after.lines[None]) == 200
    reader.close()
    chest.close()


@pytest.mark.parametrize("measure", ["status", "tags.version", "vars.nowhere"])
def test_what_sums_do_not_hold(kept: SQLReader, measure: str) -> None:
    """Of columns and tags, and of other filters than the route, the records tell."""
    query = replace(long_query(now()), measure=parse_field(measure))
    assert kept.answer(query).whole.rows == DAYS * 200
    filtered = long_query(now()).filtered(parse_filter("user_id=3"))
    assert kept.answer(filtered).whole.rows == kept.count(filtered) > 0
