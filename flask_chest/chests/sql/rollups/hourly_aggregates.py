"""Aggregates the records of one hour in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ....query.answer import Summary
from ....query.fields import ROUTE, Field
from ....query.query import Query
from ....query.time_intervals import HOUR, from_timestamp
from ....query.time_slices import TimeSlices
from ....record.json_line import EPOCH
from ..aggregate_select import HUGE, Aggregate
from ..dialects import Dialect
from .numeric_variables import NumericVariables
from .rollup_row import Rollup

_MAX_CACHED = 32


class HourlyAggregates:
    """The queries that aggregate one hour of a table of records.

    They are built once and run for many hours: a year has thousands of hours, and building a query
    takes longer than the database takes to answer it.

    :param table: the table of records.
    :param dialect: the SQL dialect of the database.
    :param dialect_name: the name of SQLAlchemy's dialect.
    """

    def __init__(self, table: sa.Table, dialect: Dialect, dialect_name: str) -> None:
        self._table = table
        self._dialect = dialect
        moment = table.columns.time.type
        self._begin: Any = sa.bindparam("begin", type_=moment)
        self._end: Any = sa.bindparam("end", type_=moment)
        self._within = table.columns.time >= self._begin, table.columns.time < self._end
        self._count = sa.select(sa.func.count()).select_from(table).where(*self._within)
        self._variables = NumericVariables(table, dialect_name)
        self._aggregates = {each: self._make_aggregates(each) for each in (True, False)}
        self._numbers_queries: dict[tuple[bool, tuple[str, ...]], sa.Select[Any]] = {}

    def count(self, connection: sa.Connection, hour: int) -> int:
        """The number of records of an hour.

        :param hour: seconds since 1970.
        """
        return int(connection.execute(self._count, _range_of(hour)).scalar_one())

    def rollups(self, connection: sa.Connection, hour: int) -> list[Rollup]:
        """The rollups of each route of an hour: of requests, and of commands and jobs.

        :param hour: seconds since 1970.
        """
        within = _range_of(hour)
        groups = {
            is_request: _aggregate(connection.execute(aggregates, within))
            for is_request, aggregates in self._aggregates.items()
        }
        has_records = any(groups.values())
        names = self._variables.names(connection, within) if has_records else ()
        found = []
        for is_request, some in groups.items():
            numbers = self._numbers(connection, within, is_request, names) if some else {}
            found += [
                Rollup(is_request, route, summary, numbers.get(route, {}))
                for route, summary in some.items()
            ]
        return found

    def _make_aggregates(self, is_request: bool) -> sa.Select[Any]:
        # The range of this query is unused: the ends of the slice are parameters.
        query = Query(
            since=EPOCH,
            until=EPOCH + timedelta(seconds=HOUR),
            by=ROUTE,
        )
        slices = TimeSlices(((self._begin, self._end),), 1.0)
        where = [self._is_kind(is_request)]
        aggregate = Aggregate(self._table, self._dialect, query, slices, where=where)
        return aggregate.by_bucket()

    def _is_kind(self, is_request: bool) -> Any:
        kind = self._table.columns.kind
        return kind == "request" if is_request else kind != "request"

    def _numbers(
        self,
        connection: sa.Connection,
        within: Mapping[str, datetime],
        is_request: bool,
        names: tuple[str, ...],
    ) -> dict[str | None, dict[str, list[float]]]:
        """Weight and sum, by route and variable."""
        if not names:
            return {}
        key = is_request, names
        if key not in self._numbers_queries:
            if len(self._numbers_queries) >= _MAX_CACHED:
                self._numbers_queries.clear()
            self._numbers_queries[key] = self._make_numbers(is_request, names)
        rows = connection.execute(self._numbers_queries[key], within)
        return {row[0]: _by_name(names, row[1:]) for row in rows}

    def _make_numbers(self, is_request: bool, names: Sequence[str]) -> sa.Select[Any]:
        columns = self._table.columns
        weight = 1.0 / columns.sample_rate
        aggregates: list[Any] = []
        for name in names:
            number = self._dialect.number(Field("vars", name))
            aggregates += [
                sa.func.sum(sa.case((number.is_not(None), weight))),
                sa.func.sum(weight * _clamped(number)),
            ]
        route = self._dialect.key(ROUTE)
        return (
            sa.select(route, *aggregates)
            .where(*self._within, self._is_kind(is_request))
            .group_by(route)
        )


def _aggregate(rows: Iterable[Any]) -> dict[str | None, Summary]:
    """Add up the rows of each route; the digests are of buckets, not of values."""
    found: dict[str | None, Summary] = {}
    for route, bucket, number, weight, errors, total, low, high in rows:
        summary = found.setdefault(route, Summary())
        # MariaDB returns decimals.
        weight = float(weight)
        summary.count += weight
        summary.rows += number
        summary.errors += float(errors)
        if bucket is not None:
            low, high = float(low), float(high)
            total = weight * (low / 2 + high / 2) if total is None else float(total)
            summary.add_measured(weight, total, low, high)
            summary.digest.add(int(bucket), weight)
    return found


def _range_of(hour: int) -> dict[str, datetime]:
    return {"begin": from_timestamp(hour), "end": from_timestamp(hour + HOUR)}


def _clamped(number: Any) -> Any:
    """Clamp a number, so that its sum cannot overflow: the error would block all later hours."""
    return sa.case((number > HUGE, HUGE), (number < -HUGE, -HUGE), else_=number)


def _by_name(names: Sequence[str], aggregates: Sequence[Any]) -> dict[str, list[float]]:
    parts = (aggregates[start : start + 2] for start in range(0, len(aggregates), 2))
    pairs = zip(names, parts, strict=True)
    return {name: [float(each) for each in part] for name, part in pairs if part[0] is not None}
