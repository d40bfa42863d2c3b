"""Applies filters to records in memory, e.g. to dead letters."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from ..record.record import Record
from .fields import Field
from .filter_parsing import Filter
from .formatting import value_text

_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def matches(record: Record, filters: Iterable[Filter]) -> bool:
    """Whether a record fulfils all filters."""
    return all(_matches(record, each) for each in filters)


def _matches(record: Record, condition: Filter) -> bool:
    value = field_value(record, condition.field)
    if condition.is_ordered:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return bool(_COMPARISONS[condition.operator](value, condition.number))
    text = value_text(value)
    if condition.operator == "~":
        return text is not None and condition.value.lower() in text.lower()
    if not condition.value:
        is_empty = text is None or (not text and not condition.field.document)
        return is_empty == (condition.operator == "=")
    same = text == condition.value
    if condition.field.is_number and isinstance(value, (int, float)):
        same = value == condition.number
    return same == (condition.operator == "=")


def field_value(record: Record, field: Field) -> object:
    """The value of a record's field; ``None`` if the record has no such variable or tag."""
    if field.document:
        member: object = getattr(record, field.document).get(field.name)
        return member
    value: object = getattr(record, field.name)
    return value
