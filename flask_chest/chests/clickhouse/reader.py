"""Reads a ClickHouse chest, through clickhouse-connect's dialect of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ...query.query import Query
from ...query.reader import PAGE, SCAN_LIMIT
from ...query.time_slices import TimeSlices
from ...record.encoding import to_microseconds
from ...record.record import Record
from ..sql.dialects import Dialect, Expression
from ..sql.ranges import Ranges
from ..sql.reader import SQLReader, aware

_SHORTEST = timedelta(microseconds=1)
# The newest records are looked for in so much time, then in so many times as much.
_NEWEST, _WIDER = timedelta(seconds=1), 16


class ClickHouseReader(SQLReader):
    """The records of one ClickHouse chest.

    There are no sums of hours and days: to go through a million records takes it a second or two.
    Rows lie by route, and then by time, so who asks for the newest of a range has all of it read,
    and is asked about stretches of time instead.
    """

    max_records, sample_size = 1_000_000, 400_000

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        if after:
            columns = self._table.columns
            began = self._rows(sa.select(columns.time).where(columns.id == after).limit(1))
            if not began or aware(began[0].time) < query.since:
                return []
            query = replace(query, until=min(query.until, aware(began[0].time) + _SHORTEST))
        found: list[Record] = []
        for part in self._backwards(query):
            found = super().page(part, after=after, limit=limit)
            if len(found) == limit:
                break
        return found

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        for part in self._backwards(query):
            stretch = TimeSlices(((part.since, part.until),), 1.0)
            if self._count_in(stretch, records + 1) <= records:
                continue
            found = super().scan_start(part, records)
            if found is not None:  # some may have come twice
                return found
        return None

    def iter_records(self, query: Query, page: int = 5000) -> Iterator[Record]:
        # A page is asked for within a stretch of time, which grows and shrinks until it holds some
        # of them.
        begin, last = self._edges(query)
        end = min(query.until, last + _SHORTEST)
        width = max((end - begin) / 64, _SHORTEST)
        while begin < end:
            part = replace(query, since=begin, until=begin + min(width, end - begin))
            found = 0
            for record in super().iter_records(part, page):
                found += 1
                yield record
            begin = part.until
            if found > 8 * page:
                width = max(width / 2, _SHORTEST)
            elif found < 2 * page:
                width = min(width * 2, end - begin)

    def _backwards(self, query: Query) -> Iterator[Query]:
        """More and more of the end of a range, and at last all of it."""
        begin, last = self._edges(query)
        end = min(query.until, last + _SHORTEST)
        width = _NEWEST
        while end - begin > width:
            yield replace(query, since=end - width, until=end)
            width *= _WIDER
        yield replace(query, since=query.since, until=end)

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        # Unlike the first row by time, these it mostly knows without looking.
        time = self._table.columns.time
        figures: list[Any] = [sa.func.min(time), sa.func.max(time), sa.func.count()]
        asked = sa.select(*figures).where(time >= query.since, time < query.until)
        for row in self._rows(self._about(asked)):
            first, last, count = tuple(row)
            if count:  # else they are 1970
                return aware(first), aware(last)
        return query.since, query.since

    def _first(self, query: sa.Select[Any], limit: int) -> list[Record]:
        # FINAL reads all parts again that could hold what the index found, so what came twice is
        # told apart here.
        found = {each.id: each for each in self._records(self._about(query.limit(limit * 2)))}
        return list(found.values())[:limit]

    def _about(self, query: sa.Select[Any]) -> sa.Select[Any]:
        # What came twice, and is not merged yet, counts as two.
        return query.suffix_with("SETTINGS final = 0")

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

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        # To compare each row with each range would take most of the time. They serve to leave out
        # what the index shows to lie in none; of the rest, a row is looked at by the range that
        # began last.
        begin, end = ranges[0]
        moment = sa.func.toUnixTimestamp64Micro(time, type_=sa.BigInteger)
        begins = ", ".join(str(to_microseconds(begin)) for begin, _ in ranges)
        began = sa.func.roundDown(moment, sa.literal_column(f"[{begins}]"), type_=sa.BigInteger)
        length = (end - begin) // _SHORTEST
        hint = sa.func.indexHint(sa.or_(*(sa.and_(time >= one, time < two) for one, two in ranges)))
        return query.where(time >= begin, moment - began < length, hint).subquery()

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
