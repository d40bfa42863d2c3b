"""PostgreSQL's SQL: ``->`` of JSONB."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ....query.fields import Field
from ....query.number_comparison import as_float
from ..column_types import Double
from ..database_encoding import codec_of, original_text
from ..jsonb_numbers import loads
from ..time_range_conditions import Ranges, in_array
from .base import COMPARISONS, Dialect, Expression, Member

_MAX_WHOLE = 2**64 - 1


class PostgreSQL(Dialect):
    """``->`` of JSONB. Its numbers are decimals, which compare exactly."""

    def read(self, field: Field, raw: Any) -> object:
        if field.document:
            return None if raw is None else loads(raw)
        return super().read(field, raw)

    def encoding(self) -> Expression:
        return sa.func.getdatabaseencoding(type_=sa.Text).label("encoding")

    def variants(self, field: Field, raw: Any, encoding: str) -> tuple[Any, ...]:
        if not isinstance(raw, str) or "\\" not in raw or codec_of(encoding) is None:
            return (raw,)
        return raw, original_text(raw, in_json=bool(field.document))

    def compare(self, member: Member, sign: str, number: float) -> list[Expression]:
        if abs(number) > _MAX_WHOLE:
            # Such doubles are stored as the decimals that Python writes.
            found = as_float(sign, number)
            if found is None:
                return []
            sign, value = found[0], Decimal(repr(found[1]))
        else:
            value = Decimal(int(number) if number == int(number) else repr(number))
        return [sa.and_(member.is_integer, COMPARISONS[sign](member.integer, value))]

    def is_one_of(self, key: Expression, values: list[Any]) -> Expression:
        if isinstance(values[0], bool):
            return super().is_one_of(key, values)
        # One parameter: a statement has at most 65,535.
        array = postgresql.ARRAY(sa.Text if isinstance(values[0], str) else Double)
        is_one_of: Expression = key == sa.any_(sa.literal(values, array))
        return is_one_of

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        return in_array(query, time, ranges)

    def by_code_points(self, expression: Expression) -> Expression:
        return sa.collate(sa.cast(expression, sa.Text), "C")

    def is_ascii(self, text: Expression) -> Expression:
        # A backslash may begin a character that the encoding of the database lacks.
        return sa.not_(text.regexp_match(r"[^\x01-\x5b\x5d-\x7f]"))

    def contains_ascii(self, text: Expression, part: str) -> Expression:
        # Not of the locale, where a Turkish I has no dot.
        lower = sa.func.lower(text.collate("C"), type_=sa.Text)
        return sa.func.strpos(lower, sa.literal(part, sa.Text)) > 0

    def seconds(self, time: Expression) -> Expression:
        return sa.cast(sa.func.extract("epoch", time), Double)

    def raw(self, document: Expression, name: str) -> Expression:
        return sa.cast(document.op("->")(_text(name)), sa.Text)

    def member(self, document: Expression, name: str) -> Member:
        kind = sa.func.jsonb_typeof(document.op("->")(_text(name)))
        text = document.op("->>", return_type=sa.Text())(_text(name))
        # CASE, since a cast of a text fails, and AND does not promise an order.
        is_number: Expression = kind == "number"
        number = sa.case((is_number, sa.cast(text, sa.Numeric)))
        return Member(
            has_value=kind != "null",
            is_text=kind == "string",
            text=text,
            is_integer=is_number,
            integer=number,
            is_fraction=sa.false(),
            fraction=number,
            is_true=sa.and_(kind == "boolean", text == "true"),
            is_false=sa.and_(kind == "boolean", text == "false"),
            is_document=kind.in_(("array", "object")),
        )

    def number(self, field: Field) -> Expression:
        if not field.document:
            return super().number(field)
        member = self.member(self._table.columns[field.document], field.name)
        return sa.case((member.is_integer, sa.cast(member.text, Double)))


def _text(name: str) -> Expression:
    return sa.literal(name, sa.Text)
