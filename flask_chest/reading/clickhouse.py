"""Reads a ClickHouse chest, through clickhouse-connect's dialect of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from ..record import Record
from .dialects import Dialect, Expression
from .query import Query
from .sql import SQLReader

_SHORTEST = timedelta(microseconds=1)


class ClickHouseReader(SQLReader):
    """The records of one ClickHouse chest.

    There are no sums of hours and days: to go through a million records takes it a second or two.
    """

    most, sample = 1_000_000, 400_000

    def walk(self, query: Query, page: int = 5000) -> Iterator[Record]:
        # Rows lie by route, so a page costs a look at all that is later: it is asked for within a
        # stretch of time, which grows and shrinks until it holds some pages.
        begin, last = self._edges(query)
        end = min(query.until, last + _SHORTEST)
        width = max((end - begin) / 64, _SHORTEST)
        while begin < end:
            part = replace(query, since=begin, until=begin + min(width, end - begin))
            found = 0
            for record in super().walk(part, page):
                found += 1
                yield record
            begin = part.until
            if found > 8 * page:
                width = max(width / 2, _SHORTEST)
            elif found < 2 * page:
                width = min(width * 2, end - begin)

    def _make_dialect(self) -> Dialect:
        return ClickHouse(self._table)


class ClickHouse(Dialect):
    """``JSONExtract`` of text. Its ``CAST`` takes no NULL, so functions take its place."""

    def cast_text(self, value: Expression) -> Expression:
        return sa.func.toString(value)

    def cast_number(self, value: Expression) -> Expression:
        return sa.func.toFloat64(value)

    def floor(self, value: Expression) -> Expression:
        return sa.func.toInt64(sa.func.floor(value))

    def seconds(self, time: Expression) -> Expression:
        microseconds = sa.func.toUnixTimestamp64Micro(time, type_=sa.BigInteger)
        return microseconds / sa.literal_column("1e6", sa.Double)

    def contains(self, text: Expression, part: str) -> Expression:
        # Its LIKE has no ESCAPE.
        return sa.func.positionCaseInsensitiveUTF8(text, part) > 0

    def member_text(self, document: Expression, name: str) -> Expression:
        text = _text_of(document)
        kind, raw = sa.func.JSONType(text, name), sa.func.JSONExtractRaw(text, name)
        # A float that is whole is written without its point.
        is_whole = sa.and_(kind == "Double", sa.func.match(raw, "^-?[0-9]+$"))
        return sa.case(
            (kind == "Null", None),
            (kind == "String", sa.func.JSONExtractString(text, name)),
            (is_whole, sa.func.concat(raw, ".0")),
            else_=raw,
        )

    def member_number(self, document: Expression, name: str) -> Expression:
        text = _text_of(document)
        is_number = sa.func.JSONType(text, name).in_(("Int64", "UInt64", "Double"))
        return sa.case((is_number, sa.func.JSONExtractFloat(text, name, type_=sa.Double)))


def _text_of(document: Expression) -> Expression:
    return sa.type_coerce(document, sa.String)
