"""SQL expressions that differ between databases: document members, seconds, buckets."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ...errors import QueryError
from ...query.fields import Field
from ...query.percentiles import OFFSET, SCALE, TINY
from .column_types import Double
from .time_range_conditions import Ranges, in_array, in_conditions, in_json

# By default, SQLAlchemy would convert results to decimals of ten places.
_DOUBLE = mysql.DOUBLE(asdecimal=False)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# SQLAlchemy 1.4 has no generic classes.
if TYPE_CHECKING:
    Expression: TypeAlias = sa.ColumnElement[Any]
    _TextDecorator = sa.TypeDecorator[str]
else:
    Expression = sa.sql.ColumnElement
    _TextDecorator = sa.TypeDecorator


class Dialect(ABC):
    """The SQL of one database.

    :param table: the table of records.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table

    def text(self, field: Field) -> Expression:
        """A field as text; NULL if it has no value."""
        if field.document:
            return self.member_text(self._table.columns[field.document], field.name)
        column = self._table.columns[field.name]
        if isinstance(column.type, sa.Boolean):
            return sa.case((column.is_(None), None), (column, "true"), else_="false")
        return self.cast_text(column)

    def key(self, field: Field) -> Expression:
        """A field as text to group by; compares byte by byte."""
        return self.text(field)

    def equals(self, expression: Expression, value: str) -> Expression:
        """Whether a text is exactly this value; ignores the collation."""
        return expression == value

    def by_code_points(self, expression: Expression) -> Expression:
        """A text to sort by its code points, whatever the collation."""
        return expression

    def differs(self, expression: Expression, value: str) -> Expression:
        """Whether a text is not exactly this value; NULL stays NULL."""
        return expression != value

    def number(self, field: Field) -> Expression:
        """A field as a number; NULL if it has no number.

        :raises QueryError: the field is a column of text.
        """
        if field.document:
            return self.member_number(self._table.columns[field.document], field.name)
        if not field.is_number:
            raise QueryError(f"{field} is text; numbers are e.g. 'duration_ms', 'status'")
        return self.cast_number(self._table.columns[field.name])

    def bucket(self, value: Expression) -> Expression:
        """The bucket of a value, as :func:`flask_chest.query.percentiles.bucket_of` computes it."""
        bucket = self.floor(sa.func.ln(sa.func.abs(value)) * SCALE + OFFSET)
        return sa.case(
            (value.is_(None), None),
            (value >= TINY, bucket),
            (value <= -TINY, -bucket),
            else_=0,
        )

    def interval(self, since: float, step: float) -> Expression:
        """The number of the interval that contains a record, from 0.

        :param since: start of the first interval: seconds since 1970.
        :param step: length of an interval in seconds.
        """
        seconds = self.seconds(self._table.columns.time)
        return self.floor((seconds - sa.literal_column(f"{since:.6f}")) / step)

    def within(self, query: sa.Select[Any], ranges: Ranges) -> sa.Subquery:
        """Restrict a query of the table to time ranges that do not overlap."""
        time = self._table.columns.time
        if len(ranges) > 1:
            return self.in_many(query, time, ranges)
        [(begin, end)] = ranges
        return query.where(time >= begin, time < end).subquery()

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        """Restrict a query to more than one time range."""
        return in_conditions(query, time, ranges)

    def contains(self, text: Expression, part: str) -> Expression:
        """Whether a text contains this part; ignores case."""
        lower = sa.func.lower(_lower_non_ascii(text, part), type_=sa.Text)
        return lower.contains(part.lower(), autoescape=True)

    def cast_text(self, value: Expression) -> Expression:
        return sa.cast(value, sa.Text)

    def cast_number(self, value: Expression) -> Expression:
        return sa.cast(value, Double)

    def floor(self, value: Expression) -> Expression:
        return sa.cast(sa.func.floor(value), sa.BigInteger)

    @abstractmethod
    def seconds(self, time: Expression) -> Expression:
        """Seconds since 1970."""

    @abstractmethod
    def member_text(self, document: Expression, name: str) -> Expression:
        """A member of a document as text; NULL if it is missing or null."""

    @abstractmethod
    def member_number(self, document: Expression, name: str) -> Expression:
        """A member of a document as a number; NULL if it is not a number."""


class SQLite(Dialect):
    """``json_extract``, and ``json_each`` for names that a JSON path would have to quote."""

    def contains(self, text: Expression, part: str) -> Expression:
        # LIKE ignores case in SQLite.
        return _lower_non_ascii(text, part).contains(part.lower(), autoescape=True)

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

    def member_text(self, document: Expression, name: str) -> Expression:
        kind, value = self._member(document, name)
        return sa.case(
            (kind == "true", "true"),
            (kind == "false", "false"),
            (kind == "real", self._real_text(document, name, value)),
            else_=sa.cast(value, sa.Text),
        )

    def member_number(self, document: Expression, name: str) -> Expression:
        kind, value = self._member(document, name)
        return sa.case((kind.in_(("integer", "real")), sa.cast(value, Double)))

    def _real_text(self, document: Expression, name: str, value: Expression) -> Expression:
        if not _PLAIN_NAME.fullmatch(name):
            return sa.cast(value, sa.Text)
        # A cast writes 15 digits, an array all digits. json_extract returns an array for two paths:
        # https://www.sqlite.org/json1.html#the_json_extract_function
        path = f'$."{name}"'
        both = sa.func.json_extract(sa.type_coerce(document, sa.Text), path, path)
        return sa.func.substr(both, 2, _halved(sa.func.length(both) - 3))

    def _member(self, document: Expression, name: str) -> tuple[Expression, Expression]:
        # Without type_coerce, SQLAlchemy would encode the path as JSON.
        text = sa.type_coerce(document, sa.Text)
        if _PLAIN_NAME.fullmatch(name):
            path = f'$."{name}"'
            return sa.func.json_type(text, path), sa.func.json_extract(text, path)
        each = sa.func.json_each(text).table_valued("key", "type", "value")
        found = sa.select(each.c.type).where(each.c.key == name).limit(1).scalar_subquery()
        value = sa.select(each.c.value).where(each.c.key == name).limit(1).scalar_subquery()
        return found, value


class PostgreSQL(Dialect):
    """``->>`` of JSONB."""

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        return in_array(query, time, ranges)

    def by_code_points(self, expression: Expression) -> Expression:
        return sa.collate(expression, "C")

    def seconds(self, time: Expression) -> Expression:
        return sa.cast(sa.func.extract("epoch", time), Double)

    def member_text(self, document: Expression, name: str) -> Expression:
        return document.op("->>", return_type=sa.Text())(_text(name))

    def member_number(self, document: Expression, name: str) -> Expression:
        member = document.op("->")(_text(name))
        value = sa.cast(self.member_text(document, name), Double)
        return sa.case((sa.func.jsonb_typeof(member) == "number", value))


class MySQL(Dialect):
    """``JSON_EXTRACT``, of MySQL and MariaDB.

    All collations that both have ignore trailing spaces. A cast has the collation of the
    connection, which also ignores case and accents. So text is compared as bytes.
    """

    _NUMBERS = ("INTEGER", "UNSIGNED INTEGER", "DOUBLE", "DECIMAL")

    def seconds(self, time: Expression) -> Expression:
        unit: Expression = sa.literal_column("MICROSECOND")
        return sa.func.timestampdiff(unit, "1970-01-01", time) / sa.literal_column("1e6")

    def key(self, field: Field) -> Expression:
        return sa.cast(self.text(field), _Bytes)

    def equals(self, expression: Expression, value: str) -> Expression:
        # The first comparison uses the index.
        return sa.and_(expression == value, sa.cast(expression, _Bytes) == value)

    def differs(self, expression: Expression, value: str) -> Expression:
        return sa.cast(expression, _Bytes) != value

    def cast_text(self, value: Expression) -> Expression:
        return sa.cast(value, mysql.CHAR)

    def cast_number(self, value: Expression) -> Expression:
        # SQLAlchemy would cast to FLOAT, which has six digits.
        return sa.cast(value, _DOUBLE)

    def floor(self, value: Expression) -> Expression:
        return sa.cast(sa.func.floor(value), mysql.INTEGER)

    def member_text(self, document: Expression, name: str) -> Expression:
        member = self._member(document, name)
        empty = sa.func.json_type(member) == "NULL"
        return sa.case((empty, None), else_=sa.func.json_unquote(member))

    def member_number(self, document: Expression, name: str) -> Expression:
        member = self._member(document, name)
        value = sa.cast(sa.func.json_unquote(member), _DOUBLE)
        return sa.case((sa.func.json_type(member).in_(self._NUMBERS), value))

    def _member(self, document: Expression, name: str) -> Expression:
        path = f"$.{json.dumps(name, ensure_ascii=False)}"
        return sa.func.json_extract(sa.type_coerce(document, sa.Text), path)


class _Bytes(_TextDecorator):
    """Text that the database compares as bytes."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else value.encode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.decode()


def _lower_non_ascii(text: Expression, part: str) -> Expression:
    """Lowercase the non-ASCII letters of ``part`` in a text.

    SQLite lowercases ASCII only, PostgreSQL the letters of its locale, which may be "C".
    """
    for small in sorted({each for each in part.lower() if not each.isascii()}):
        text = sa.func.replace(text, small.upper(), small, type_=sa.Text)
    return text


def _halved(number: Expression) -> Expression:
    """Half of an integer, rounded down. SQLAlchemy 1.4 has no ``//``."""
    multiplicative = 8  # SQLAlchemy's precedence of "*", so that a sum gets parentheses
    return number.op("/", precedence=multiplicative)(2)


def _text(name: str) -> Expression:
    return sa.literal(name, sa.Text)


DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
}
