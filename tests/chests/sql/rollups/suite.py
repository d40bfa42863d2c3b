"""Checks that rollups answer queries in every SQL store, and helpers for tests of rollups."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from flask_chest import Record
from flask_chest.chests.sql.sql_chest import SQLChest
from flask_chest.operations.background_retention import Maintenance
from flask_chest.query.answer import Answer, Series, Summary
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode

from ....query.records import END, ODD_NAME, sample_records
from ..helpers import open_reader

DAYS = 3


def now() -> datetime:
    return datetime.now(timezone.utc)


def days_of_records(end: datetime, days: int = DAYS) -> Iterator[Record]:
    """200 records in five hours of each day."""
    for day in range(days):
        for number, record in enumerate(sample_records(200)):
            kind = "command" if number % 20 == 0 else "request"
            time = end - (END - record.time) / 2 - timedelta(days=day)
            identity = f"{int(time.timestamp() * 1000):012x}7{number:019x}"
            yield replace(record, id=identity, time=time, kind=kind)  # type: ignore[arg-type]


def maintain(chest: SQLChest, retention: timedelta | None = None) -> None:
    """Run the hourly maintenance once."""
    seconds = None if retention is None else retention.total_seconds()
    Maintenance([chest], seconds).run(threading.Event())


def long_query(end: datetime) -> Query:
    """A query of a range that is long enough for rollups."""
    return Query(since=end - timedelta(days=DAYS + 2), until=end)


def check_rollups(chest: SQLChest) -> None:
    """Answers are the same from records, from rollups and after records were pruned.

    :param chest: an empty store.
    """
    end = now()
    chest.write(list(days_of_records(end)))
    query = long_query(end)
    by_route = query.grouped(parse_field("route"))
    reader = open_reader(chest)
    queries = [
        query,
        by_route,
        query.filtered(parse_filter("kind=request")).grouped(parse_field("route")),
        query.filtered(parse_filter("route=/")),
        query.filtered(parse_filter("route=")),
    ]
    answers = [reader.answer(each) for each in queries]
    series = reader.series(by_route, 86_400)
    of_balance = replace(query, measure=parse_field("balance"))
    balance = reader.answer(of_balance).whole

    maintain(chest)
    assert reader.answer(of_balance).whole.percentiles[0] is not None, "records still exist"
    assert reader.count(query) == DAYS * 200
    for answer, each in zip(answers, queries, strict=True):
        assert_same_answer(answer, reader.answer(each))

    maintain(chest, timedelta(days=2))
    assert 350 <= reader.count(query) <= 450, "records of two days and part of an hour remain"
    for answer, each in zip(answers, queries, strict=True):
        assert_same_answer(answer, reader.answer(each))
    _assert_same_counts(series, reader.series(by_route, 86_400))
    balance_now = reader.answer(of_balance).whole
    assert balance_now.total == pytest.approx(balance.total)
    assert balance_now.mean == pytest.approx(balance.mean)
    assert (balance_now.low, balance_now.high) == (None, None)
    reader.close()
    chest.close()


def check_overflow(chest: SQLChest) -> None:
    """Values whose sum overflows a float are answered, rolled up and pruned.

    :param chest: an empty store.
    """
    end = now()
    values = [1e308, 1.7e308, 1e308, -1e308, -1e308, 1.0, 2.0]
    records = [
        replace(record, vars={"balance": value})
        for record, value in zip(days_of_records(end - timedelta(days=2)), values, strict=False)
    ]
    chest.write(records)
    reader = open_reader(chest)
    query = replace(long_query(end), measure=parse_field("balance"))
    for extremes in ((-1e308, 1.7e308), (None, None)):
        whole = reader.answer(query).whole
        assert whole.rows == len(values)
        assert (whole.low, whole.high) == extremes
        assert whole.mean is not None
        assert math.isfinite(whole.mean)
        [line] = reader.series(query, 86_400).lines.values()
        assert all(math.isfinite(each.total) for each in line)
        maintain(chest)
        maintain(chest, timedelta(days=1))
    assert reader.count(query) == 0
    one = replace(records[0], id="1", time=end - timedelta(minutes=1), vars={"balance": 1e308})
    chest.write([one])
    only_one = replace(query, since=end - timedelta(minutes=2))
    assert reader.answer(only_one).whole.mean == pytest.approx(1e308)
    reader.close()
    chest.close()


def check_variable_of_old_requests(chest: SQLChest) -> None:
    """A variable is rolled up, whatever its name and however many newer requests lack it.

    :param chest: an empty store.
    """
    hour = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    names = ("total", "größe", "a.b", "a b", ODD_NAME)
    old = Record(id="a", time=hour, route="/pay", vars=dict.fromkeys(names, 2.5))
    without = [
        Record(id=f"b{number}", time=hour + timedelta(seconds=number + 1), route="/pay")
        for number in range(600)
    ]
    chest.write([old, *without])
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    query = long_query(now())
    assert reader.count(query) == 0
    for name in names:
        of_name = replace(query, measure=parse_field(name))
        assert reader.answer(of_name).whole.total == 2.5, name
    reader.close()
    chest.close()


def check_late_records(chest: SQLChest) -> None:
    """Records that are written days late are in the rollups after the next maintenance.

    :param chest: an empty store.
    """
    end = now()
    query = Query(since=end - timedelta(days=40), until=end)
    reader = open_reader(chest)
    for number, days in enumerate((0, 20, 10, 30), 1):
        records = list(days_of_records(end - timedelta(days=days), 1))
        for half in (records[100:], records[:100]):
            chest.write(Batch([encode(record) for record in half]))
        maintain(chest)
        assert reader.answer(query).whole.rows == number * 200
        assert reader.count(query) == number * 200
    reader.close()
    chest.close()


def assert_same_answer(one: Answer, other: Answer) -> None:
    """Both answers have the same groups; the second one is not an estimate."""
    assert [group.key for group in one.groups] == [group.key for group in other.groups]
    assert other.fraction == 1
    for group, same_group in zip(one.groups, other.groups, strict=True):
        _assert_same_summary(group.summary, same_group.summary)


def _assert_same_summary(one: Summary, other: Summary) -> None:
    for name in ("count", "rows", "errors", "total", "measured", "mean"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name
    # Rollups hold no value of a single request, so they know these to 4 %.
    for name in ("low", "high"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=0.04), name
    assert one.percentiles == pytest.approx(other.percentiles, rel=0.02)


def _assert_same_counts(one: Series, other: Series) -> None:
    assert one.lines.keys() == other.lines.keys()
    for key, line in one.lines.items():
        count = sum(each.count for each in line)
        assert count == pytest.approx(sum(each.count for each in other.lines[key]))
