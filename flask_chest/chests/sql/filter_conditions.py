"""Converts the filters of a query to SQL conditions."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ...query.fields import Field
from ...query.filter_parsing import Filter
from .dialects import Dialect, Expression

_COMPARISONS: dict[str, Any] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_DISCONNECTED = Field("", "disconnected")


def conditions(table: sa.Table, dialect: Dialect, filters: Iterable[Filter]) -> list[Any]:
    """One SQL condition for each filter."""
    return [_condition(table, dialect, each) for each in filters]


def _condition(table: sa.Table, dialect: Dialect, condition: Filter) -> Expression:
    field, value = condition.field, condition.value
    if condition.is_ordered:
        return _compare(dialect.number(field), condition.operator, condition.number)
    # The bare column, if possible, so that the database can use its index.
    is_text_column = not field.document and not field.is_number and field != _DISCONNECTED
    expression = table.columns[field.name] if is_text_column else dialect.text(field)
    if condition.operator == "~":
        return dialect.contains(dialect.text(field), value)
    if not value:
        is_empty: Expression = expression.is_(None)
        if is_text_column:
            is_empty = sa.or_(is_empty, dialect.equals(expression, ""))
        return sa.not_(is_empty) if condition.operator == "!=" else is_empty
    if field.is_number:
        return _equal(dialect.number(field), condition.operator, condition.number)
    if field == _DISCONNECTED:
        return _equal(table.columns[field.name], condition.operator, condition.boolean)
    if condition.operator == "!=":
        return sa.or_(expression.is_(None), dialect.differs(expression, value))
    return dialect.equals(expression, value)


def _equal(expression: Expression, sign: str, value: object) -> Expression:
    if sign == "!=":
        return sa.or_(expression.is_(None), expression != value)
    is_equal: Expression = expression == value
    return is_equal


def _compare(expression: Expression, sign: str, value: object) -> Expression:
    comparison: Expression = _COMPARISONS[sign](expression, value)
    return comparison
