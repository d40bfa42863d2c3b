"""Applies filters to records in memory, by the rules of ``docs/meaning.rst``."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from ..record.record import Record
from .fields import Field
from .filter_parsing import Filter, Literal
from .values import fold, is_number, spelling

_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def matches(record: Record, filters: Iterable[Filter]) -> bool:
    """Whether a record fulfils all filters."""
    return all(value_matches(field_value(record, each.field), each) for each in filters)


def value_matches(value: object, condition: Filter) -> bool:
    """Whether the value of a filter's field fulfils the filter.

    :param value: the value as :func:`field_value` returns it.
    """
    if condition.is_ordered:
        return is_number(value) and _COMPARISONS[condition.operator](value, condition.number)
    literal = condition.literal
    if condition.operator == "~":
        text = spelling(value)
        return text is not None and fold(literal.text) in fold(text)
    return _equals(value, literal) == (condition.operator == "=")


def _equals(value: object, literal: Literal) -> bool:
    kind = literal.kind
    if value is None or kind == "nothing":
        return value is None and kind in ("nothing", "null")
    if isinstance(value, str):
        return value == literal.text
    if isinstance(value, bool):
        return kind == "boolean" and value is literal.value
    if is_number(value):
        return kind == "number" and bool(value == literal.value)
    return kind == "document" and spelling(value) == literal.spelling


def field_value(record: Record, field: Field) -> object:
    """The value of a record's field; ``None`` if it has none. In a column, "" is no value."""
    if field.document:
        member: object = getattr(record, field.document).get(field.name)
        return member
    value: object = getattr(record, field.name)
    return None if value == "" else value
