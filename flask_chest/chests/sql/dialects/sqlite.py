"""SQLite's SQL: ``json_extract``, and functions of the connection."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from ....query.fields import Field
from ....query.values import spelling
from ..column_types import Double
from ..time_range_conditions import Ranges, in_json
from .base import Dialect, Expression, Member

# A JSON path does not decode escapes in names. orjson escapes these characters only.
_PATH_NAME = re.compile(r'[^"\\\x00-\x1f]+')
_INT_MAX = 2**63 - 1


class SQLite(Dialect):
    """``json_extract``, and ``json_each`` for names that a JSON path cannot express.

    The functions ``chest_...`` belong to the connection: see ``sqlite/functions.py``.
    """

    def key(self, field: Field) -> Expression:
        if not field.document:
            return super().key(field)
        kind, value = self._value(self._table.columns[field.document], field.name)
        return sa.case(
            (kind == "text", value),
            (kind == "true", "true"),
            (kind == "false", "false"),
            (sa.func.typeof(value) == "integer", sa.cast(value, sa.Text)),
            (kind.in_(("integer", "real")), sa.func.chest_number(value)),
            (kind.in_(("array", "object")), sa.func.chest_document(value)),
        )

    def read_key(self, field: Field, key: Any) -> str | None:
        return key if field.document else spelling(self.read(field, key))

    def integer(self, number: int) -> Any:
        # SQLite compares integers with doubles exactly.
        return number if -_INT_MAX <= number <= _INT_MAX else sa.literal(float(number), Double)

    def folded(self, key: Expression) -> Expression | None:
        return sa.func.chest_fold(key, type_=sa.Text)

    def same_document(self, field: Field, text: str) -> Expression | None:
        is_same: Expression = self.key(field) == text
        return is_same

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        return in_json(query, time, ranges)

    def floor(self, value: Expression) -> Expression:
        # All values are positive, so a cast rounds down; older builds have no floor().
        return sa.cast(value, sa.Integer)

    def seconds(self, time: Expression) -> Expression:
        # The microseconds start at character 20. strftime would round them to milliseconds, and a
        # record of the last half millisecond would be in the next second.
        text = sa.type_coerce(time, sa.Text)
        whole = sa.cast(sa.func.strftime("%s", sa.func.substr(text, 1, 19)), sa.Integer)
        return whole + sa.cast(sa.func.substr(text, 20), Double)

    def raw(self, document: Expression, name: str) -> Expression:
        raise NotImplementedError  # key() selects the spelling

    def member(self, document: Expression, name: str) -> Member:
        kind, value = self._value(document, name)
        is_number = kind.in_(("integer", "real"))
        is_integer = sa.and_(is_number, sa.func.typeof(value) == "integer")
        return Member(
            has_value=kind != "null",
            is_text=kind == "text",
            text=value,
            is_integer=is_integer,
            integer=value,
            # An integer beyond 64 bits is a double.
            is_fraction=sa.and_(is_number, sa.func.typeof(value) == "real"),
            fraction=value,
            is_true=kind == "true",
            is_false=kind == "false",
            is_document=kind.in_(("array", "object")),
        )

    def number(self, field: Field) -> Expression:
        if not field.document:
            return super().number(field)
        kind, value = self._value(self._table.columns[field.document], field.name)
        return sa.case((kind.in_(("integer", "real")), sa.cast(value, Double)))

    def _value(self, document: Expression, name: str) -> tuple[Expression, Expression]:
        # Without type_coerce, SQLAlchemy would encode the path as JSON.
        text = sa.type_coerce(document, sa.Text)
        if _PATH_NAME.fullmatch(name):
            path = f'$."{name}"'
            return sa.func.json_type(text, path), sa.func.json_extract(text, path)
        each = sa.func.json_each(text).table_valued("key", "type", "value")
        found = sa.select(each.c.type).where(each.c.key == name).limit(1).scalar_subquery()
        value = sa.select(each.c.value).where(each.c.key == name).limit(1).scalar_subquery()
        return found, value
