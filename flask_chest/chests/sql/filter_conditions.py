"""Converts the filters of a query to SQL conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...query.fields import Field
from ...query.filter_parsing import Filter
from ...query.values import fold
from .column_types import Double
from .dialects import Dialect, Expression, Member
from .dialects.base import COMPARISONS

#: Decides in Python which values fulfil a filter, and returns the condition that finds them. Its
#: arguments are the filter and the condition of the records that the database cannot decide about.
Decide: TypeAlias = Callable[[Filter, Expression], Expression]


def conditions(
    table: sa.Table, dialect: Dialect, filters: Iterable[Filter], decide: Decide
) -> list[Any]:
    """One SQL condition for each filter."""
    builder = _Conditions(table, dialect, decide)
    return [builder.condition(each) for each in filters]


class _Conditions:
    """Builds the conditions of one query, by the rules of ``docs/meaning.rst``."""

    def __init__(self, table: sa.Table, dialect: Dialect, decide: Decide) -> None:
        self._table = table
        self._dialect = dialect
        self._decide = decide

    def condition(self, wanted: Filter) -> Expression:
        if wanted.operator == "!=":
            # NULL means that the condition is not met.
            is_equal = self._equal(Filter(wanted.field, "=", wanted.value))
            return sa.case((is_equal, 1), else_=0) == 0
        if wanted.operator == "=":
            return self._equal(wanted)
        if wanted.operator == "~":
            return self._contains(wanted)
        return self._compare(wanted)

    def _compare(self, wanted: Filter) -> Expression:
        if wanted.field.document:
            member = self._member(wanted.field)
            return _any(self._dialect.compare(member, wanted.operator, wanted.number))
        number = self._dialect.number(wanted.field)
        value = sa.literal(float(wanted.number), Double)
        is_met: Expression = COMPARISONS[wanted.operator](number, value)
        return is_met

    def _equal(self, wanted: Filter) -> Expression:
        if not wanted.field.document:
            return self._equal_column(wanted)
        member, literal = self._member(wanted.field), wanted.literal
        if literal.kind == "nothing":
            return _is_missing(member)
        found = [sa.and_(member.is_text, self._dialect.equals(member.text, literal.text))]
        if literal.kind == "null":
            found.append(_is_missing(member))
        elif literal.kind == "boolean":
            found.append(member.is_true if literal.value else member.is_false)
        elif literal.kind == "number":
            found += self._dialect.compare(member, "=", literal.value)
        elif literal.kind == "document":
            found.append(self._same_document(wanted, member))
        return _any(found)

    def _same_document(self, wanted: Filter, member: Member) -> Expression:
        same = self._dialect.same_document(wanted.field, wanted.literal.spelling or "")
        if same is None:
            return self._decide(wanted, member.is_document)
        return sa.and_(member.is_document, same)

    def _equal_column(self, wanted: Filter) -> Expression:
        # The bare column, so that the database can use its index.
        column, literal = self._table.columns[wanted.field.name], wanted.literal
        is_empty: Expression = column.is_(None)
        is_text = not wanted.field.is_number and not wanted.field.is_boolean
        if is_text:
            is_empty = sa.or_(is_empty, self._dialect.equals(column, ""))
        if literal.kind == "nothing":
            return is_empty
        if not is_text:
            return is_empty if literal.kind == "null" else column == literal.value
        is_same = self._dialect.equals(column, literal.text) if literal.text else sa.false()
        return sa.or_(is_empty, is_same) if literal.kind == "null" else is_same

    def _contains(self, wanted: Filter) -> Expression:
        dialect, field = self._dialect, wanted.field
        part = fold(wanted.literal.text)
        has_value, is_text, text = self._text(field)
        if not part:
            return has_value
        folded = dialect.folded(dialect.key(field)) if is_text is not None else None
        if folded is not None:
            return sa.func.instr(folded, part) > 0
        if is_text is None:
            return self._decide(wanted, has_value)
        is_ascii = sa.and_(is_text, dialect.is_ascii(text))
        is_open = sa.case((is_ascii, 0), else_=1) == 1
        found = self._decide(wanted, sa.and_(has_value, is_open))
        if not part.isascii():
            return found
        return sa.or_(sa.and_(is_ascii, dialect.contains_ascii(text, part)), found)

    def _text(self, field: Field) -> tuple[Expression, Expression | None, Expression]:
        """Whether a field has a value, whether it is a text (``None``: never), and the text."""
        if field.document:
            member = self._member(field)
            return member.has_value, member.is_text, member.text
        column: Any = self._table.columns[field.name]
        if field.is_number or field.is_boolean:
            return column.is_not(None), None, column
        is_empty = self._dialect.equals(column, "")
        return sa.and_(column.is_not(None), sa.not_(is_empty)), column.is_not(None), column

    def _member(self, field: Field) -> Member:
        return self._dialect.member(self._table.columns[field.document], field.name)


def _is_missing(member: Member) -> Expression:
    return sa.case((member.has_value, 1), else_=0) == 0


def _any(found: list[Expression]) -> Expression:
    return sa.or_(sa.false(), *found)
