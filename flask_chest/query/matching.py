"""Whether a record that lies in no database fulfils filters."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import orjson

from ..record.record import Record
from .fields import Field
from .filters import Filter

# Beyond that nobody counts digits.
_LONG = 1e15


def format_number(value: float | None) -> str:
    """A number for people: three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= _LONG:
        return f"{value:.3g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def matches(record: Record, filters: Iterable[Filter]) -> bool:
    """Whether all filters hold."""
    return all(_holds(record, each) for each in filters)


def _holds(record: Record, wanted: Filter) -> bool:
    value = _value(record, wanted.field)
    if wanted.is_ordered:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return bool(_ORDER[wanted.operator](value, wanted.number))
    text = value_text(value)
    if wanted.operator == "~":
        return text is not None and wanted.value.lower() in text.lower()
    if not wanted.value:
        is_empty = text is None or (not text and not wanted.field.document)
        return is_empty == (wanted.operator == "=")
    same = text == wanted.value
    if wanted.field.is_number and isinstance(value, (int, float)):
        same = value == wanted.number
    return same == (wanted.operator == "=")


def _value(record: Record, field: Field) -> object:
    if field.document:
        members: object = getattr(record, field.document).get(field.name)
        return members
    value: object = getattr(record, field.name)
    return value


def value_text(value: object) -> str | None:
    """A value as text, as stores tell it; ``None`` where there is none."""
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def json_text(value: object) -> str:
    """A value as JSON has it: 1e-7, where Python writes 1e-07."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return str(value)  # an int past 64 bits
