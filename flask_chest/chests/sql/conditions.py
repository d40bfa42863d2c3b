"""From the filters of a question to a ``WHERE``."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ...query.fields import Field
from ...query.filters import Filter
from .dialects import Dialect, Expression

_COMPARE: dict[str, Any] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_DISCONNECTED = Field("", "disconnected")


def conditions(table: sa.Table, dialect: Dialect, filters: Iterable[Filter]) -> list[Any]:
    """One expression for each filter."""
    return [_condition(table, dialect, each) for each in filters]


def _condition(table: sa.Table, dialect: Dialect, wanted: Filter) -> Expression:
    field, value = wanted.field, wanted.value
    if wanted.is_ordered:
        return _compared(dialect.number(field), wanted.operator, wanted.number)
    # A column itself, where it can be, so that its index serves.
    is_word = not field.document and not field.is_number and field != _DISCONNECTED
    expression = table.columns[field.name] if is_word else dialect.text(field)
    if wanted.operator == "~":
        return dialect.contains(dialect.text(field), value)
    if not value:
        is_empty: Expression = expression.is_(None)
        if is_word:
            is_empty = sa.or_(is_empty, dialect.equals(expression, ""))
        return sa.not_(is_empty) if wanted.operator == "!=" else is_empty
    if field.is_number:
        return _equal(dialect.number(field), wanted.operator, wanted.number)
    if field == _DISCONNECTED:
        return _equal(table.columns[field.name], wanted.operator, wanted.boolean)
    if wanted.operator == "!=":
        return sa.or_(expression.is_(None), dialect.differs(expression, value))
    return dialect.equals(expression, value)


def _equal(expression: Expression, sign: str, value: object) -> Expression:
    if sign == "!=":
        return sa.or_(expression.is_(None), expression != value)
    same: Expression = expression == value
    return same


def _compared(expression: Expression, sign: str, value: object) -> Expression:
    compared: Expression = _COMPARE[sign](expression, value)
    return compared
