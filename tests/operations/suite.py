"""What upkeep must leave behind in every SQL store."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from flask_chest import Record
from flask_chest.chests.sql.chest import SQLChest
from flask_chest.operations.retention import Maintenance
from flask_chest.query.fields import parse_field
from flask_chest.query.filters import parse_filter
from flask_chest.query.query import Query
from flask_chest.query.reader import Reader
from flask_chest.query.summary import Answer, Summary
from flask_chest.record.encoding import Batch, encode

from ..query.records import END, many

DAYS = 3


def now() -> datetime:
    return datetime.now(timezone.utc)


def days_of_records(end: datetime, days: int = DAYS) -> Iterator[Record]:
    """Five hours of each day."""
    for day in range(days):
        for number, record in enumerate(many(200)):
            kind = "command" if number % 20 == 0 else "request"
            time = end - (END - record.time) / 2 - timedelta(days=day)
            identity = f"{int(time.timestamp() * 1000):012x}7{number:019x}"
            yield replace(record, id=identity, time=time, kind=kind)  # type: ignore[arg-type]


def keep(chest: SQLChest, retention: timedelta | None = None) -> None:
    seconds = None if retention is None else retention.total_seconds()
    Maintenance([chest], seconds).run(threading.Event())


def long_query(end: datetime) -> Query:
    return Query(since=end - timedelta(days=DAYS + 2), until=end)


def reader_of(chest: SQLChest) -> Reader:
    reader = chest.reader()
    assert reader is not None
    return reader


def check_upkeep(chest: SQLChest) -> None:
    """Sum up, prune, and be told the same."""
    end = now()
    chest.write(list(days_of_records(end)))
    query = long_query(end)
    reader = reader_of(chest)
    questions = [
        query,
        query.grouped(parse_field("route")),
        query.filtered(parse_filter("kind=request")).grouped(parse_field("route")),
        query.filtered(parse_filter("route=/")),
        query.filtered(parse_filter("route=")),
    ]
    before = [reader.answer(each) for each in questions]
    series = reader.series(query.grouped(parse_field("route")), 86_400)
    balance = replace_measure(query, "balance")
    measured = reader.answer(balance).whole
    keep(chest)
    assert reader.answer(balance).whole.percentiles[0] is not None, "records are there still"
    assert reader.count(query) == DAYS * 200
    for answer, question in zip(before, questions, strict=True):
        same(answer, reader.answer(question))
    keep(chest, timedelta(days=2))
    left = reader.count(query)
    assert 350 <= left <= 450, "the last two days, and what is left of an hour"
    for answer, question in zip(before, questions, strict=True):
        same(answer, reader.answer(question))
    again = reader.series(query.grouped(parse_field("route")), 86_400)
    assert series.lines.keys() == again.lines.keys()
    whole = reader.answer(balance).whole
    assert whole.total == pytest.approx(measured.total)
    assert whole.mean == pytest.approx(measured.mean)
    assert (whole.low, whole.high) == (measured.low, measured.high)
    for key, line in series.lines.items():
        assert sum(each.count for each in line) == pytest.approx(
            sum(each.count for each in again.lines[key])
        )
    reader.close()
    chest.close()


def check_huge(chest: SQLChest) -> None:
    """Numbers whose sum no float can be are answered, summed up and pruned like any other."""
    end = now()
    values = [1e308, 1.7e308, 1e308, -1e308, -1e308, 1.0, 2.0]
    records = [
        replace(record, vars={"balance": value})
        for record, value in zip(days_of_records(end - timedelta(days=2)), values, strict=False)
    ]
    chest.write(records)
    reader = reader_of(chest)
    query = replace_measure(long_query(end), "balance")
    for _ in range(2):
        found = reader.answer(query).whole
        assert found.rows == len(values)
        assert (found.low, found.high) == (-1e308, 1.7e308)
        assert found.mean is not None
        assert math.isfinite(found.mean)
        [line] = reader.series(query, 86_400).lines.values()
        assert all(math.isfinite(each.total) for each in line)
        keep(chest)
        keep(chest, timedelta(days=1))
    assert reader.count(query) == 0
    one = replace(records[0], id="1", time=end - timedelta(minutes=1), vars={"balance": 1e308})
    chest.write([one])
    alone = replace(query, since=end - timedelta(minutes=2))
    assert reader.answer(alone).whole.mean == pytest.approx(1e308)
    reader.close()
    chest.close()


def check_late(chest: SQLChest) -> None:
    """Sum up, write what is older, twice, and be told of all of it."""
    end = now()
    query = Query(since=end - timedelta(days=40), until=end)
    reader = reader_of(chest)
    for number, days in enumerate((0, 20, 10, 30), 1):
        records = list(days_of_records(end - timedelta(days=days), 1))
        for some in (records[100:], records[:100]):
            chest.write(Batch([encode(record) for record in some]))
        keep(chest)
        assert reader.answer(query).whole.rows == number * 200
        assert reader.count(query) == number * 200
    reader.close()
    chest.close()


def replace_measure(query: Query, name: str) -> Query:
    return replace(query, measure=parse_field(name))


def same(one: Answer, other: Answer) -> None:
    assert [group.key for group in one.groups] == [group.key for group in other.groups]
    assert other.fraction == 1
    for before, after in zip(one.groups, other.groups, strict=True):
        same_figures(before.summary, after.summary)


def same_figures(one: Summary, other: Summary) -> None:
    for name in ("count", "rows", "errors", "total", "measured", "low", "high", "mean"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name
    assert one.percentiles == pytest.approx(other.percentiles)
