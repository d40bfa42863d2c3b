"""The SQL of MySQL and MariaDB: ``JSON_EXTRACT``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ....query.fields import Field
from .base import Dialect, Expression, Member

if TYPE_CHECKING:  # SQLAlchemy 1.4 has no generic classes
    _TextDecorator = sa.TypeDecorator[str]
else:
    _TextDecorator = sa.TypeDecorator

# By default, SQLAlchemy would convert results to decimals of ten places.
_DOUBLE = mysql.DOUBLE(asdecimal=False)
_PATH_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The name that replaces one that MariaDB's paths cannot express: a private character.
_STAND_IN = "\ue0c4"
_NUMBERS = ("INTEGER", "UNSIGNED INTEGER", "DOUBLE", "DECIMAL")


class MySQL(Dialect):
    """``JSON_EXTRACT``, of MySQL and MariaDB.

    All collations that both have ignore trailing spaces. A cast has the collation of the
    connection, which also ignores case and accents. So text is compared as bytes.
    """

    def seconds(self, time: Expression) -> Expression:
        unit: Expression = sa.literal_column("MICROSECOND")
        return sa.func.timestampdiff(unit, "1970-01-01", time) / sa.literal_column("1e6")

    def column_key(self, column: Expression) -> Expression:
        return sa.cast(column, Bytes) if isinstance(column.type, sa.String) else column

    def equals(self, expression: Expression, value: str) -> Expression:
        # The first comparison uses the index.
        return sa.and_(expression == value, sa.cast(expression, Bytes) == value)

    def cast_number(self, value: Expression) -> Expression:
        # SQLAlchemy would cast to FLOAT, which has six digits.
        return sa.cast(value, _DOUBLE)

    def floor(self, value: Expression) -> Expression:
        return sa.cast(sa.func.floor(value), mysql.INTEGER)

    def is_ascii(self, text: Expression) -> Expression:
        return sa.func.length(text) == sa.func.char_length(text)

    def contains_ascii(self, text: Expression, part: str) -> Expression:
        return sa.func.locate(sa.cast(part, Bytes), sa.cast(sa.func.lower(text), Bytes)) > 0

    def raw(self, document: Expression, name: str) -> Expression:
        return sa.cast(_extract(document, name), Bytes)

    def member(self, document: Expression, name: str) -> Member:
        member = _extract(document, name)
        kind, text = sa.func.json_type(member), sa.func.json_unquote(member, type_=sa.Text)
        is_boolean, is_number = kind == "BOOLEAN", kind.in_(_NUMBERS)
        # To MariaDB, 1e+280 is an INTEGER.
        has_mark = sa.func.locate("e", text) + sa.func.locate(".", text)
        return Member(
            has_value=kind != "NULL",
            is_text=kind == "STRING",
            text=text,
            is_integer=sa.and_(is_number, has_mark == 0),
            integer=sa.cast(text, sa.Numeric(65, 0)),
            is_fraction=sa.and_(is_number, has_mark > 0),
            fraction=sa.cast(text, _DOUBLE),
            is_true=sa.and_(is_boolean, text == "true"),
            is_false=sa.and_(is_boolean, text == "false"),
            is_document=kind.in_(("ARRAY", "OBJECT")),
        )

    def number(self, field: Field) -> Expression:
        if not field.document:
            return super().number(field)
        member = _extract(self._table.columns[field.document], field.name)
        text = sa.func.json_unquote(member, type_=sa.Text)
        return sa.case((sa.func.json_type(member).in_(_NUMBERS), self.cast_number(text)))


class Bytes(_TextDecorator):
    """Text that the database compares as bytes."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else value.encode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.decode()


def _extract(document: Expression, name: str) -> Expression:
    text = sa.type_coerce(document, sa.Text)
    if _PATH_NAME.fullmatch(name):
        return sa.func.json_extract(text, f'$."{name}"')
    # MariaDB's paths cannot express each name. MySQL's can, and MySQL stores no raw text.
    quoted = orjson.dumps(name).decode()
    renamed = sa.func.replace(text, f"{quoted}:", f'"{_STAND_IN}":', type_=sa.Text)
    return sa.func.coalesce(
        sa.func.json_extract(renamed, f'$."{_STAND_IN}"'),
        sa.func.json_extract(text, f"$.{quoted}"),
    )
