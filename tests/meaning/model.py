"""A plain model of ``docs/meaning.rst``, written from that page. It uses no code of the package."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from flask_chest import Record

Name = tuple[str, str]
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Condition:
    """A filter: document (or "" for a column), name, operator and the value as it is typed."""

    field: Name
    operator: str
    value: str


@dataclass(frozen=True)
class Question:
    """A question, without the way in which it is asked."""

    since: datetime
    until: datetime
    where: tuple[Condition, ...]
    by: Name | None
    measure: Name


def value_of(record: Record, field: Name) -> Any:
    """The value of a field; nothing is ``None``."""
    document, name = field
    if document:
        return getattr(record, document).get(name)
    value = getattr(record, name)
    return None if value == "" else value


def spell(value: Any) -> str | None:
    """The spelling of a value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return spell_json(value)
    if value is True or value is False:
        return str(value).lower()
    if value == int(value) and -(2**63) <= value < 2**64:
        return str(int(value))
    found = re.fullmatch(r"(-?[0-9.]+)(?:e([+-])0*([0-9]+))?", repr(value))
    assert found is not None
    return found[1] if found[2] is None else f"{found[1]}e{found[2].replace('+', '')}{found[3]}"


def spell_json(value: Any) -> str:
    """A value within JSON."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{spell_json(k)}:{spell_json(v)}" for k, v in sorted(value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(spell_json(each) for each in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else str(spell(value))


def same_json(one: Any, other: Any) -> bool:
    """Whether JSON says that two values are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if is_number(one) and is_number(other):
        return Fraction(one) == Fraction(other)
    return type(one) is type(other) and bool(one == other)


def is_number(value: Any) -> bool:
    """Whether a value is a number."""
    return type(value) in (int, float)


def unquoted(text: str) -> str | None:
    """The text in double quotes; ``None`` if it is not in double quotes."""
    if not re.fullmatch(r'"([^"]|"")*"', text, re.DOTALL):
        return None
    return text[1:-1].replace('""', '"')


def read_number(text: str) -> Fraction | None:
    """The number that a value reads as."""
    found = NUMBER.fullmatch(text)
    if not found or math.isinf(float(text)):
        return None
    return Fraction(float(text)) if found[2] or found[3] else Fraction(int(text))


def read_document(text: str) -> Any:
    """The list or the object that a value reads as; ``None`` if it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, (list, dict)) else None


def equals(value: Any, typed: str) -> bool:
    """Whether ``=`` matches."""
    if typed == "":
        return value is None
    text = unquoted(typed)
    if text is not None:
        return isinstance(value, str) and value == text
    if value is None:
        return typed == "null"
    if isinstance(value, str):
        return value == typed
    if value is True or value is False:
        return typed == str(value).lower()
    if is_number(value):
        return read_number(typed) == Fraction(value)
    document = read_document(typed)
    return document is not None and same_json(value, document)


def fold(text: str) -> str:
    """A text as ``~`` compares it."""
    return unicodedata.normalize("NFC", text).casefold()


def matches(record: Record, condition: Condition) -> bool:
    """Whether a record fulfils a filter."""
    value, sign, typed = value_of(record, condition.field), condition.operator, condition.value
    if sign == "=":
        return equals(value, typed)
    if sign == "!=":
        return not equals(value, typed)
    if sign == "~":
        text, part = spell(value), unquoted(typed)
        return text is not None and fold(typed if part is None else part) in fold(text)
    number = read_number(typed)
    assert number is not None
    if not is_number(value):
        return False
    size = Fraction(value)
    return {">": size > number, ">=": size >= number, "<": size < number, "<=": size <= number}[
        sign
    ]


def select(records: Sequence[Record], question: Question) -> list[Record]:
    """The records that a question is about, oldest first."""
    found = [
        each
        for each in records
        if question.since <= each.time < question.until
        and all(matches(each, condition) for condition in question.where)
    ]
    return sorted(found, key=lambda each: (each.time, each.id))


@dataclass(frozen=True)
class Numbers:
    """The numbers of a group."""

    rows: int
    count: float
    errors: float
    total: float | None
    mean: float | None
    least: float | None
    greatest: float | None
    percentiles: list[float | None]


def numbers(records: Sequence[Record], measure: Name) -> Numbers:
    """The numbers of a group of records."""
    weights = [1 / each.sample_rate for each in records]
    failed = [each.error is not None or (each.status or 0) >= 500 for each in records]
    pairs = sorted(
        (float(value_of(each, measure)), weight)
        for each, weight in zip(records, weights, strict=True)
        if is_number(value_of(each, measure))
    )
    errors = sum(weight for weight, bad in zip(weights, failed, strict=True) if bad)
    if not pairs:
        return Numbers(len(records), sum(weights), errors, None, None, None, None, [None] * 3)
    exact = sum(Fraction(value) * Fraction(weight) for value, weight in pairs)
    greatest = Fraction(1.7976931348623157e308)
    total = float(min(max(exact, -greatest), greatest))
    measured = sum(weight for _, weight in pairs)
    return Numbers(
        *(len(records), sum(weights), errors, total, total / measured, pairs[0][0], pairs[-1][0]),
        [nearest_rank(pairs, percent) for percent in (50, 95, 99)],
    )


def nearest_rank(pairs: Sequence[tuple[float, float]], percent: int) -> float:
    """The least number up to which this share of all weights is found."""
    whole = sum(Fraction(weight) for _, weight in pairs)
    passed = Fraction(0)
    for value, weight in pairs:
        passed += Fraction(weight)
        if passed * 100 >= whole * percent:
            return value
    raise AssertionError("unreachable")


def groups(records: Sequence[Record], question: Question) -> list[tuple[str | None, list[Record]]]:
    """The groups of an answer, in their order."""
    found: dict[str | None, list[Record]] = {}
    for record in select(records, question):
        key = None if question.by is None else spell(value_of(record, question.by))
        found.setdefault(key, []).append(record)
    return sorted(found.items(), key=lambda item: order(*item))


def order(key: str | None, records: Sequence[Record]) -> tuple[float, bool, str]:
    """The place of a group in the list."""
    return -round(sum(1 / each.sample_rate for each in records), 3), key is None, key or ""


def intervals(
    records: Sequence[Record], question: Question, step: float
) -> dict[tuple[str | None, int], list[Record]]:
    """The records of each group in each interval."""
    found: dict[tuple[str | None, int], list[Record]] = {}
    for key, some in groups(records, question):
        for record in some:
            number = (record.time - question.since) // timedelta(seconds=step)
            found.setdefault((key, number), []).append(record)
    return found
