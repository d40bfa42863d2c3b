"""Asks a reader a question in each way, and compares the answers with the model."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from flask_chest import Chest, Record
from flask_chest.chests.reader import Reader
from flask_chest.operations.erasure import Erasure
from flask_chest.query.answer import Summary
from flask_chest.query.export_ndjson import to_mapping
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import group_filter, parse_filter
from flask_chest.query.query import Query

from . import model
from .model import Name, Question
from .stores import ARCHIVED

LIMIT = 3


def check(reader: Reader, records: Sequence[Record], question: Question) -> None:
    """Ask for records, a count, groups and a series."""
    query = to_query(question)
    expected = model.select(records, question)
    assert reader.count(query) == len(expected)
    found = list(reader.iter_records(query, page=5))
    assert [each.id for each in found] == [each.id for each in expected]
    assert [to_json(each) for each in found] == [to_json(each) for each in expected]
    page = reader.page(query, limit=LIMIT)
    assert [each.id for each in page] == [each.id for each in expected[::-1][:LIMIT]]
    check_groups(reader, records, question, query)
    check_series(reader, records, question, query)


def check_groups(
    reader: Reader, records: Sequence[Record], question: Question, query: Query
) -> None:
    expected = model.groups(records, question)
    answer = reader.answer(query, LIMIT)
    if question.by is None and not expected:
        assert answer.whole.count == 0
        return
    assert [group.key for group in answer.groups] == [key for key, _ in expected[:LIMIT]]
    for group, (_, some) in zip(answer.groups, expected, strict=False):
        compare(group.summary, some, question)
    others = [record for _, some in expected[LIMIT:] for record in some]
    compare(answer.rest, others, question)
    assert answer.complete == (len(expected) <= LIMIT)
    assert query.by is not None or len(answer.groups) == 1
    if query.by is not None:
        for key, some in expected[:LIMIT]:
            of_group = query.filtered(group_filter(query.by, key))
            assert reader.count(of_group) == len(some), key


def check_series(
    reader: Reader, records: Sequence[Record], question: Question, query: Query
) -> None:
    step = float(math.ceil(query.seconds / 10))
    expected = model.intervals(records, question, step)
    series = reader.series(query, step, LIMIT)
    shown = [key for key, _ in model.groups(records, question)[:LIMIT]]
    assert set(series.lines) - {None} == set(shown) - {None}
    found = {
        (key, number)
        for key, line in series.lines.items()
        for number, summary in enumerate(line)
        if summary.rows
    }
    assert found == {each for each in expected if each[0] in shown}
    for key, number in found:
        compare(series.lines[key][number], expected[key, number], question)


def compare(summary: Summary, records: Sequence[Record], question: Question) -> None:
    """Compare a summary with the model's numbers."""
    expected = model.numbers(records, question.measure)
    assert summary.rows == expected.rows
    assert summary.count == pytest.approx(expected.count)
    assert summary.errors == pytest.approx(expected.errors)
    if expected.total is None:
        assert not summary.measured
        return
    scale = max(abs(expected.least or 0), abs(expected.greatest or 0)) * 1e-9
    if scale < 1e290:  # sums of values of both signs near the greatest double
        assert summary.total == pytest.approx(expected.total, rel=1e-9, abs=scale)
        assert summary.mean == pytest.approx(expected.mean, rel=1e-9, abs=scale)
    assert (summary.low, summary.high) == (expected.least, expected.greatest)
    for found, wanted in zip(summary.percentiles, expected.percentiles, strict=True):
        assert found == wanted


def to_query(question: Question) -> Query:
    """The question as the package asks it, by the texts that a user would type."""
    return Query(
        since=question.since,
        until=question.until,
        where=tuple(
            parse_filter(f"{name_text(each.field)}{each.operator}{each.value}")
            for each in question.where
        ),
        by=None if question.by is None else parse_field(name_text(question.by)),
        measure=parse_field(name_text(question.measure)),
    )


def name_text(field: Name) -> str:
    """The name of a field in double quotes."""
    document, name = field
    return f'{document}."{name.replace(chr(34), chr(34) * 2)}"' if document else name


def to_json(record: Record) -> Any:
    """The record's JSON, which shows the type of each number and the sign of a zero."""
    return json.dumps(to_mapping(record), sort_keys=True)


def erase(chest: Chest, query: Query) -> int:
    """Erase records as ``flask chest forget`` does; return how many rows were erased."""
    archived = ARCHIVED.get(id(chest))
    reader = chest.reader() if archived is None else archived.row_reader()
    assert reader is not None
    try:
        erased = sum(Erasure(chest, reader, query).run())
    finally:
        reader.close()
    if archived is not None:
        for _ in archived.archive.erase(query):
            pass
    return erased
