"""The interface of SQL dialects: columns, members of documents, intervals, buckets."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson
import sqlalchemy as sa

from ....errors import QueryError
from ....query.fields import Field
from ....query.number_comparison import as_float, as_integer
from ....query.percentiles import OFFSET, SCALE, TINY
from ....query.values import spelling
from ..column_types import Double
from ..time_range_conditions import Ranges, in_conditions

# SQLAlchemy 1.4 has no generic classes.
if TYPE_CHECKING:
    Expression: TypeAlias = sa.ColumnElement[Any]
else:
    Expression = sa.sql.ColumnElement

COMPARISONS: dict[str, Any] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Member(NamedTuple):
    """A member of a document. Each value is valid for members of its type only.

    The conditions may be NULL if the member is missing.
    """

    has_value: Expression
    is_text: Expression
    text: Expression
    is_integer: Expression
    integer: Expression
    is_fraction: Expression
    fraction: Expression
    is_true: Expression
    is_false: Expression
    is_document: Expression


class Dialect(ABC):
    """The SQL of one database.

    :param table: the table of records.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table

    def key(self, field: Field) -> Expression:
        """A field to group by, for :meth:`read_key`."""
        if field.document:
            return self.raw(self._table.columns[field.document], field.name)
        return self.column_key(self._table.columns[field.name])

    def column_key(self, column: Expression) -> Expression:
        """A column to group by; text is compared exactly."""
        return column

    def read_key(self, field: Field, key: Any) -> str | None:
        """The spelling of a value that :meth:`key` selected."""
        return spelling(self.read(field, key))

    def read(self, field: Field, raw: Any) -> object:
        """The value of a member that :meth:`raw` selected, or of a column."""
        if field.document:
            return None if raw is None else orjson.loads(raw)
        return None if raw == "" else raw

    def encoding(self) -> Expression:
        """The encoding of the database, for :meth:`variants`."""
        return sa.literal_column("''").label("encoding")

    def variants(self, field: Field, raw: Any, encoding: str) -> tuple[Any, ...]:
        """What a raw value of :meth:`read` may stand for; a filter may match any of these."""
        return (raw,)

    def equals(self, expression: Expression, value: str) -> Expression:
        """Whether a text is exactly this value; ignores the collation."""
        return expression == value

    def by_code_points(self, expression: Expression) -> Expression:
        """A text to sort by its code points, whatever the collation."""
        return expression

    def is_one_of(self, key: Expression, values: list[Any]) -> Expression:
        """Whether a key is one of these values."""
        return key.in_(values)

    def number(self, field: Field) -> Expression:
        """A field as a number in double precision; NULL if it has no number.

        :raises QueryError: the field is a column of text.
        """
        if not field.document:
            if not field.is_number:
                raise QueryError(f"{field} is text; numbers are e.g. 'duration_ms', 'status'")
            return self.cast_number(self._table.columns[field.name])
        member = self.member(self._table.columns[field.document], field.name)
        return sa.case(
            (member.is_integer, self.cast_number(member.integer)),
            (member.is_fraction, self.cast_number(member.fraction)),
        )

    def compare(self, member: Member, sign: str, number: float) -> list[Expression]:
        """The conditions of which one holds if a member is a number of this size.

        :param sign: ``=``, ``>``, ``>=``, ``<`` or ``<=``.
        """
        found = []
        # Exactly: neither an integer nor the number is rounded.
        integer, fraction = as_integer(sign, number), as_float(sign, number)
        if integer is not None:
            is_met = COMPARISONS[integer[0]](member.integer, self.integer(integer[1]))
            found.append(sa.and_(member.is_integer, is_met))
        if fraction is not None:
            is_met = COMPARISONS[fraction[0]](member.fraction, sa.literal(fraction[1], Double))
            found.append(sa.and_(member.is_fraction, is_met))
        return found

    def integer(self, number: int) -> Any:
        """An integer as a parameter."""
        return number

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

    def folded(self, key: Expression) -> Expression | None:
        """The spelling of a key as :func:`flask_chest.query.values.fold` folds it.

        ``None`` (the default) if the database cannot do this. Then :meth:`is_ascii` and
        :meth:`contains_ascii` decide about texts of ASCII.
        """
        return None

    def is_ascii(self, text: Expression) -> Expression:
        """Whether a text has ASCII characters only."""
        raise NotImplementedError  # not asked where folded() has an answer

    def contains_ascii(self, text: Expression, part: str) -> Expression:
        """Whether a text of ASCII contains a part in lower case, which is ASCII, too."""
        raise NotImplementedError  # not asked where folded() has an answer

    def same_document(self, field: Field, text: str) -> Expression | None:
        """Whether a list or an object has this spelling; ``None`` if the database cannot do this.

        :param field: a variable or a tag.
        """
        return None

    def cast_number(self, value: Expression) -> Expression:
        return sa.cast(value, Double)

    def floor(self, value: Expression) -> Expression:
        return sa.cast(sa.func.floor(value), sa.BigInteger)

    @abstractmethod
    def seconds(self, time: Expression) -> Expression:
        """Seconds since 1970."""

    @abstractmethod
    def raw(self, document: Expression, name: str) -> Expression:
        """A member of a document as the text of its JSON; NULL if it is missing."""

    @abstractmethod
    def member(self, document: Expression, name: str) -> Member:
        """A member of a document."""
