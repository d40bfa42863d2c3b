"""Reads records from ClickHouse, through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ...query.fields import Field
from ...query.query import Query
from ...query.time_intervals import to_utc
from ...query.time_slices import TimeSlices
from ...record.json_line import to_microseconds
from ...record.record import Record
from ..reader import PAGE, SCAN_LIMIT
from ..sql.column_types import Double
from ..sql.dialects import Dialect, Expression, Member
from ..sql.table_reader import TableReader
from ..sql.time_range_conditions import Ranges

_MICROSECOND = timedelta(microseconds=1)
# Marks a fraction among texts of JSON.
_FRACTION = "d"
_LIMIT = 2**63
# A search for the newest records starts with the last second, and widens by this factor.
_FIRST_RANGE, _WIDENING = timedelta(seconds=1), 16


class ClickHouseReader(TableReader):
    """Reads the records of one ClickHouse chest.

    There are no rollups: ClickHouse aggregates a million records in a second or two. Rows are
    sorted by route and then by time, so a query for the newest records of a range would read all of
    the range. This reader queries short ranges of time instead.
    """

    max_records, sample_size = 200_000, 100_000

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        if after:
            columns = self._table.columns
            started = self._rows(sa.select(columns.time).where(columns.id == after).limit(1))
            if not started or to_utc(started[0].time) < query.since:
                return []
            query = replace(query, until=min(query.until, to_utc(started[0].time) + _MICROSECOND))
        found: list[Record] = []
        for part in self._backwards(query):
            found = super().page(part, after=after, limit=limit)
            if len(found) == limit:
                break
        return found

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        for part in self._backwards(query):
            slices = TimeSlices(((part.since, part.until),), 1.0)
            if self._count_in(slices, records + 1) <= records:
                continue
            found = super().scan_start(part, records)
            if found is not None:  # duplicates may have been counted
                return found
        return None

    def iter_records(self, query: Query, page: int = 5000) -> Iterator[Record]:
        # Pages are read from ranges of time, whose width is adapted to hold a few pages each.
        begin, last = self._edges(query)
        end = min(query.until, last + _MICROSECOND)
        width = max((end - begin) / 64, _MICROSECOND)
        while begin < end:
            part = replace(query, since=begin, until=begin + min(width, end - begin))
            found = 0
            for record in super().iter_records(part, page):
                found += 1
                yield record
            begin = part.until
            if found > 8 * page:
                width = max(width / 2, _MICROSECOND)
            elif found < 2 * page:
                width = min(width * 2, end - begin)

    def _backwards(self, query: Query) -> Iterator[Query]:
        """Yield longer and longer ends of the query's range, and the whole range last."""
        begin, last = self._edges(query)
        end = min(query.until, last + _MICROSECOND)
        width = _FIRST_RANGE
        while end - begin > width:
            yield replace(query, since=end - width, until=end)
            width *= _WIDENING
        yield replace(query, since=query.since, until=end)

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        # Unlike a query for the first row by time, these aggregates read little more than metadata.
        time = self._table.columns.time
        aggregates: list[Any] = [sa.func.min(time), sa.func.max(time), sa.func.count()]
        statement = sa.select(*aggregates).where(time >= query.since, time < query.until)
        for row in self._rows(self._approximate(statement)):
            first, last, count = tuple(row)
            if count:  # without records, both times are 1970
                return to_utc(first), to_utc(last)
        return query.since, query.since

    def _first_records(self, query: sa.Select[Any], limit: int) -> list[Record]:
        # FINAL would read all parts that could have duplicates of what the index found, so
        # duplicates are removed here.
        found = {each.id: each for each in self._records(self._approximate(query.limit(limit * 2)))}
        return list(found.values())[:limit]

    def _approximate(self, query: sa.Select[Any]) -> sa.Select[Any]:
        # Without FINAL, duplicates that ClickHouse has not merged yet are counted twice.
        return query.suffix_with("SETTINGS final = 0")

    def _make_dialect(self) -> Dialect:
        return ClickHouse(self._table)


class ClickHouse(Dialect):
    """ClickHouse's SQL. Its ``CAST`` refuses NULL, so conversion functions are used instead."""

    def cast_number(self, value: Expression) -> Expression:
        return sa.func.toFloat64(value)

    def floor(self, value: Expression) -> Expression:
        return sa.func.toInt64(sa.func.floor(value))

    def seconds(self, time: Expression) -> Expression:
        microseconds = sa.func.toUnixTimestamp64Micro(time, type_=sa.BigInteger)
        return microseconds / sa.literal_column("1e6", Double)

    def in_many(self, query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
        # Comparing each row with each range would take most of the time. The ranges are only a hint
        # for the index; each remaining row is compared with the last range that began before it.
        (begin, end), (_, last) = ranges[0], ranges[-1]
        moment = sa.func.toUnixTimestamp64Micro(time, type_=sa.BigInteger)
        starts = ", ".join(str(to_microseconds(begin)) for begin, _ in ranges)
        range_start = sa.func.roundDown(
            moment, sa.literal_column(f"[{starts}]"), type_=sa.BigInteger
        )
        length = (end - begin) // _MICROSECOND
        hint = sa.func.indexHint(sa.or_(*(sa.and_(time >= one, time < two) for one, two in ranges)))
        within = time >= begin, time < last, moment - range_start < length
        return query.where(*within, hint).subquery()

    def is_ascii(self, text: Expression) -> Expression:
        return sa.func.length(text) == sa.func.lengthUTF8(text)

    def contains_ascii(self, text: Expression, part: str) -> Expression:
        return sa.func.position(sa.func.lower(text), part) > 0

    def integer(self, number: int) -> Any:
        # A literal beyond 64 bits is a double, and would not be compared exactly.
        return number if -_LIMIT < number < _LIMIT else sa.literal(float(number), Double)

    def raw(self, document: Expression, name: str) -> Expression:
        text = _as_text(document)
        kind, raw = sa.func.JSONType(text, name), sa.func.JSONExtractRaw(text, name)
        # ClickHouse writes a whole fraction without its point.
        fraction = sa.func.toString(sa.func.JSONExtractFloat(text, name))
        marked = sa.func.concat(_FRACTION, fraction)
        return sa.case((kind == "Null", None), (kind == "Double", marked), else_=raw)

    def read(self, field: Field, raw: Any) -> object:
        if field.document and raw is not None and raw.startswith(_FRACTION):
            return float(raw[1:])
        return super().read(field, raw)

    def member(self, document: Expression, name: str) -> Member:
        text = _as_text(document)
        kind, raw = sa.func.JSONType(text, name), sa.func.JSONExtractRaw(text, name)
        is_boolean = kind == "Bool"
        return Member(
            has_value=kind != "Null",
            is_text=kind == "String",
            text=sa.func.JSONExtractString(text, name, type_=sa.String),
            is_integer=kind.in_(("Int64", "UInt64")),
            integer=sa.func.toInt128OrNull(raw, type_=sa.BigInteger),
            is_fraction=kind == "Double",
            fraction=sa.func.JSONExtractFloat(text, name, type_=Double),
            is_true=sa.and_(is_boolean, raw == "true"),
            is_false=sa.and_(is_boolean, raw == "false"),
            is_document=kind.in_(("Array", "Object")),
        )

    def number(self, field: Field) -> Expression:
        if not field.document:
            return super().number(field)
        text = _as_text(self._table.columns[field.document])
        is_number = sa.func.JSONType(text, field.name).in_(("Int64", "UInt64", "Double"))
        return sa.case((is_number, sa.func.JSONExtractFloat(text, field.name, type_=Double)))


def _as_text(document: Expression) -> Expression:
    return sa.type_coerce(document, sa.String)
