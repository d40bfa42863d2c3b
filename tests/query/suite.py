"""Checks that every reader must pass, by comparison with the same records in a list."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from flask_chest import Chest, Record
from flask_chest.chests.reader import Reader
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.chests.sql.sql_chest import SQLChest
from flask_chest.query.answer import Summary
from flask_chest.query.fields import Field, parse_field
from flask_chest.query.filter_matching import matches
from flask_chest.query.filter_parsing import Filter, group_filter, parse_filter
from flask_chest.query.query import Query
from flask_chest.query.values import spelling

from .records import END, ODD_NAME, sample_records, similar_records

WHOLE = Query(since=END - timedelta(hours=11), until=END)

FILTERS = (
    "user_id=3",
    "user_id!=3",
    "user_id>4",
    "user_id<=2",
    "user_id=03",
    "user_id=0_3",
    "user_id= 3",
    "user_id=+3",
    "user_id=٣",
    "user_id=3e0",
    "mixed=1",
    "mixed!=1",
    "mixed=true",
    "mixed=",
    "mixed!=",
    "mixed>0",
    "mixed<=1",
    "mixed==cmd()",
    "unique~value 10",
    "unique~VALUE 10",
    "unique~%",
    "mixed~MÜLLER",
    "mixed~müLL",
    f"{ODD_NAME}=2",
    "nowhere=1",
    "nowhere=",
    "route=/",
    "route=",
    "route~orders",
    "route~Orders",
    "method=POST",
    "status>=400",
    "status=404",
    "status=4.04e2",
    "status=",
    "error=LookupError",
    "duration_ms>50",
    "sample_rate<1",
    "request_id=request-7",
    "disconnected=true",
    "disconnected=",
    "tags.version=1.1",
    "vars.balance<-10",
)


def check_reader(chest: Chest) -> None:
    """Write records to an empty chest and query them in every way."""
    reader = chest.reader()
    assert reader is not None
    _check_empty(reader)
    records = sample_records()
    chest.write(records)
    _check_filters(reader, records)
    _check_groups(reader, records)
    _check_measures(reader, records)
    _check_series(reader, records)
    _check_pages(reader, records)
    _check_find(reader, records)
    later = similar_records()
    chest.write(later)
    _check_similar_values(chest, reader, later)
    reader.close()
    chest.close()


def _check_empty(reader: Reader) -> None:
    """Before the first delivery there is no table, and every result is empty."""
    assert reader.latest(5) == reader.page(WHOLE) == reader.find("x") == []
    assert list(reader.iter_records(WHOLE)) == []
    assert reader.count(WHOLE) == 0
    assert reader.answer(WHOLE).whole.count == 0
    assert reader.series(WHOLE, 3600).lines in ({}, {None: []})
    assert reader.names(WHOLE) == []
    reader.check()


def _check_filters(reader: Reader, records: list[Record]) -> None:
    for text in FILTERS:
        wanted = parse_filter(text)
        expected = [record for record in records if matches(record, [wanted])]
        assert reader.count(WHOLE.filtered(wanted)) == len(expected), text
        found = reader.page(WHOLE.filtered(wanted), limit=1000)
        assert [each.id for each in found] == [each.id for each in expected], text
    hours = Query(since=END - timedelta(hours=2), until=END - timedelta(hours=1))
    inside = [each for each in records if hours.since <= each.time < hours.until]
    assert reader.count(hours) == len(inside) == 60


def _check_groups(reader: Reader, records: list[Record]) -> None:
    for name in ("route", "status", "user_id", ODD_NAME, "tags.version", "disconnected"):
        field = parse_field(name)
        expected: dict[Any, list[Record]] = {}
        for record in records:
            value = _value(record, field)
            expected.setdefault(spelling(value), []).append(record)
        answer = reader.answer(WHOLE.grouped(field))
        assert answer.fraction == 1
        assert answer.complete
        assert {group.key for group in answer.groups} == expected.keys(), name
        for group in answer.groups:
            _compare(group.summary, expected[group.key], Field("", "duration_ms"))
        order = _ranked(expected)
        assert [group.key for group in answer.groups] == order[:20], name
        assert [group.key for group in reader.answer(WHOLE.grouped(field), 2).groups] == order[:2]
        assert set(reader.series(WHOLE.grouped(field), 3600, 2).lines) == set(order[:2]), name
    mixed = {group.key for group in reader.answer(WHOLE.grouped(parse_field("mixed"))).groups}
    assert {None, "1", "true", "1.5", "x" * 300} < mixed
    assert {json.dumps(json.loads(key)) for key in mixed if key and key[0] in "[{"} == {
        "[1]",
        '{"a": 1}',
    }
    top = reader.answer(WHOLE.grouped(parse_field("user_id")), limit=2)
    assert len(top.groups) == 2
    assert not top.complete
    assert top.whole.rows == len(records)


def _check_measures(reader: Reader, records: list[Record]) -> None:
    for name in ("balance", "user_id", "mixed", "unique", "status"):
        field = parse_field(name)
        query = Query(since=WHOLE.since, until=WHOLE.until, measure=field)
        _compare(reader.answer(query).whole, records, field)


def _check_series(reader: Reader, records: list[Record]) -> None:
    series = reader.series(WHOLE.grouped(parse_field("method")), 3600)
    assert series.step == 3600
    assert series.starts == [WHOLE.since.timestamp() + 3600 * hour for hour in range(11)]
    for method, line in series.lines.items():
        for start, summary in zip(series.starts, line, strict=True):
            inside = [
                record
                for record in records
                if record.method == method and start <= record.time.timestamp() < start + 3600
            ]
            _compare(summary, inside, Field("", "duration_ms"))
    assert len(reader.series(WHOLE.grouped(parse_field("user_id")), 3600, lines=3).lines) == 3


def _check_pages(reader: Reader, records: list[Record]) -> None:
    assert reader.page(WHOLE, limit=0) == []
    assert reader.scan_start(WHOLE, len(records)) is None
    assert reader.scan_start(WHOLE, 10) == records[10].time
    found: list[Record] = []
    while page := reader.page(WHOLE, after=found[-1].id if found else "", limit=170):
        found += page
    assert found == records
    assert list(reader.iter_records(WHOLE, page=99)) == records[::-1]
    assert reader.latest(3) == records[2::-1]
    later = reader.ids_after(records[5].id)
    assert later == {record.id for record in records[:5]}
    assert list(reader.fetch(list(later))) == records[4::-1]
    assert reader.names(WHOLE) == sorted(records[0].vars)


def _check_find(reader: Reader, records: list[Record]) -> None:
    assert reader.find("request-77") == [records[77]]
    assert reader.find(records[78].id) == [records[78]]
    assert reader.find(f"{39:032x}") == [records[79], records[78]], "two requests of one trace"
    assert reader.find("f" * 32) == []
    assert reader.page(WHOLE, after="gone") == []
    assert reader.find("' OR 1=1 --") == reader.find("") == []


def _check_similar_values(chest: Chest, reader: Reader, records: list[Record]) -> None:
    """Similar values are distinguished in groups, series, filters and searches."""
    query = Query(since=END, until=END + timedelta(hours=2))
    for name in ("name", "route"):
        field = parse_field(name)
        expected: dict[str | None, list[Record]] = {}
        for record in records:
            expected.setdefault(spelling(_value(record, field)), []).append(record)
        found = reader.answer(query.grouped(field), limit=100).groups
        assert {group.key for group in found} == expected.keys()
        for group in found:
            _compare(group.summary, expected[group.key], Field("", "duration_ms"))
        order = _ranked(expected)
        assert [group.key for group in found] == order
        for number in range(1, len(order)):
            lines = reader.series(query.grouped(field), 3600, number).lines
            assert set(lines) == set(order[:number])
        lines = reader.series(query.grouped(field), 3600, 100, list(expected)).lines
        assert {key: sum(each.rows for each in line) for key, line in lines.items()} == {
            key: len(each) for key, each in expected.items()
        }
        wanted = [group_filter(field, key) for key in expected]
        for each in [*wanted, Filter(field, "!=", "bob"), Filter(field, "!=", "42")]:
            expected_ids = {record.id for record in records if matches(record, [each])}
            filtered = query.filtered(each)
            assert {record.id for record in reader.page(filtered)} == expected_ids, str(each)
    for record in records[:6]:
        assert reader.find(record.request_id) == [record]
    passed_on = replace(records[0], id="f" * 32, request_id=records[1].id)
    chest.write([passed_on])
    assert reader.find(records[1].id) == [records[1], passed_on]
    assert reader.find(records[1].id, 1) == [records[1]]


def _ranked(groups: dict[Any, list[Record]]) -> list[Any]:
    """Keys by descending weight, then by code points; the group without a value is the last."""
    weights = {key: sum(1 / each.sample_rate for each in some) for key, some in groups.items()}
    return sorted(groups, key=lambda key: (-round(weights[key], 3), key is None, key or ""))


def _compare(summary: Summary, records: list[Record], measure: Field) -> None:
    weights = [1 / record.sample_rate for record in records]
    assert summary.rows == len(records)
    assert summary.count == pytest.approx(sum(weights))
    failed = [record.error is not None or (record.status or 0) >= 500 for record in records]
    assert summary.errors == pytest.approx(
        sum(weight for weight, bad in zip(weights, failed, strict=True) if bad)
    )
    values = [_number(_value(record, measure)) for record in records]
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None]
    if not pairs:
        assert summary.mean is None
        assert summary.percentiles == [None, None, None]
        return
    total = sum(value * weight for value, weight in pairs)
    assert summary.total == pytest.approx(total)
    assert summary.mean == pytest.approx(total / sum(weight for _, weight in pairs))
    assert summary.low == pytest.approx(min(pairs)[0])
    assert summary.high == pytest.approx(max(pairs)[0])
    for fraction, found in zip((0.5, 0.95, 0.99), summary.percentiles, strict=True):
        assert found == _percentile(pairs, fraction)


def _percentile(pairs: list[tuple[float, float]], fraction: float) -> float:
    wanted, passed = fraction * sum(weight for _, weight in pairs), 0.0
    for value, weight in sorted(pairs):
        passed += weight
        if passed >= wanted * (1 - 1e-9):
            return value
    raise AssertionError("unreachable")


def _value(record: Record, field: Field) -> Any:
    if field.document:
        return getattr(record, field.document).get(field.name)
    return (
        getattr(record, field.name) or None
        if field.name == "route"
        else getattr(record, field.name)
    )


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number else None


def check_estimates(chest: SQLChest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more records than are looked at, the slices are found range by range, by their index.

    :param chest: an empty one.
    """
    chest.write(sample_records(6000))
    monkeypatch.setattr(SQLReader, "max_records", 1000)
    monkeypatch.setattr(SQLReader, "sample_size", 1000)
    asked: list[tuple[str, Any]] = []
    reader = chest.reader()
    assert isinstance(reader, SQLReader)

    @sa.event.listens_for(reader._engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    query = WHOLE.filtered(parse_filter("route=/"), parse_filter("user_id!=3"))
    for question in (WHOLE, query):
        answer = reader.answer(question.grouped(parse_field("method")))
        assert answer.fraction < 1
        assert answer.whole.rows <= 1000
        series = reader.series(question, 3600)
        counted = sum(each.count for each in series.lines[None])
        assert counted == pytest.approx(answer.whole.count)
    assert reader.answer(WHOLE).whole.count == pytest.approx(9000, rel=0.1)
    plans = [_plan(reader, *each) for each in asked.copy() if "GROUP BY" in each[0]]
    reader.close()
    chest.close()
    assert len(plans) > 4
    for plan in plans:
        assert "ix_chest_records_" in plan, plan
        assert not re.search(r"Seq Scan|SCAN chest_records", plan), plan


def _plan(reader: SQLReader, statement: str, parameters: Any) -> str:
    words = {"sqlite": "EXPLAIN QUERY PLAN "}.get(reader._engine.dialect.name, "EXPLAIN ")
    with reader._engine.connect() as connection:
        rows = connection.exec_driver_sql(words + statement, parameters).all()
    return "\n".join(str(row) for row in rows)
