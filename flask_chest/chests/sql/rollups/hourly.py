"""What the records of one hour amount to, told by the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from ....query.aggregation import aggregate_answer
from ....query.fields import ROUTE, Field
from ....query.filters import Filter
from ....query.query import Query
from ....query.summary import Group
from ....query.time_slices import TimeSlices
from ....record.encoding import EPOCH
from ..aggregate import HUGE, Aggregate
from ..dialects import Dialect
from ..late_records import HOUR
from .rows import Sums

#: Variables of one hour that are summed up.
NAMES = 20
_KIND = Field("", "kind")
_KINDS = {True: Filter(_KIND, "=", "request"), False: Filter(_KIND, "!=", "request")}
_EVERYTHING = 1_000_000
_LOOKED_AT, _OF_A_ROUTE, _ROUTES = 500, 50, 500
_MOST_KNOWN = 32


class HourlyAggregates:
    """The questions about an hour of a table of records.

    They are put together once and asked of many hours: a year has thousands, and to put one
    together takes longer than a database takes to answer it.

    :param table: the table of records.
    :param dialect: its database's spelling.
    """

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        self._table = table
        self._dialect = dialect
        moment = table.columns.time.type
        self._begin: Any = sa.bindparam("begin", type_=moment)
        self._end: Any = sa.bindparam("end", type_=moment)
        self._within = table.columns.time >= self._begin, table.columns.time < self._end
        self._count = sa.select(sa.func.count()).select_from(table).where(*self._within)
        newest = sa.select(table.columns.vars).where(*self._within)
        newest = newest.order_by(table.columns.time.desc())
        self._newest = newest.limit(_LOOKED_AT)
        route = table.columns.route == sa.bindparam("of_route", type_=table.columns.route.type)
        self._newest_of_route = newest.where(route).limit(_OF_A_ROUTE)
        self._figures = {is_request: self._make_figures(is_request) for is_request in _KINDS}
        self._sums: dict[tuple[bool, tuple[str, ...]], sa.Select[Any]] = {}

    def count(self, connection: sa.Connection, hour: int) -> int:
        """How many records an hour has.

        :param hour: seconds since 1970.
        """
        return int(connection.execute(self._count, _range_of(hour)).scalar_one())

    def sums_of(self, connection: sa.Connection, hour: int) -> list[Sums]:
        """The sums of each route of an hour: of requests, and of commands and jobs.

        :param hour: seconds since 1970.
        """
        within = _range_of(hour)
        groups = {
            is_request: aggregate_answer(
                connection.execute(figures, within).all(), 1.0, _EVERYTHING
            ).groups
            for is_request, figures in self._figures.items()
        }
        names = self._names(connection, within, [*groups[True], *groups[False]])
        found = []
        for is_request, some in groups.items():
            numbers = self._numbers(connection, within, is_request, names) if some else {}
            found += [
                Sums(is_request, group.key, group.summary, numbers.get(group.key, {}))
                for group in some
            ]
        return found

    def _names(
        self,
        connection: sa.Connection,
        within: Mapping[str, datetime],
        groups: Sequence[Group],
    ) -> tuple[str, ...]:
        """Variables that are numbers: of the newest records, and of each route's newest."""
        looked_at = [*connection.execute(self._newest, within).scalars()]
        if sum(group.summary.rows for group in groups) > _LOOKED_AT:
            # Who pays is one among thousands that look around, and it is their sum that counts.
            for route in [group.key for group in groups if group.key is not None][:_ROUTES]:
                asked = {**within, "of_route": route}
                looked_at += connection.execute(self._newest_of_route, asked).scalars()
        return _numeric_names(looked_at)

    def _make_figures(self, is_request: bool) -> sa.Select[Any]:
        # Of this range the question asks nothing: its ends are parameters.
        query = Query(
            since=EPOCH,
            until=EPOCH + timedelta(seconds=HOUR),
            where=(_KINDS[is_request],),
            by=ROUTE,
        )
        slices = TimeSlices(((self._begin, self._end),), 1.0)
        return Aggregate(self._table, self._dialect, query, slices).figures().limit(None)

    def _numbers(
        self,
        connection: sa.Connection,
        within: Mapping[str, datetime],
        is_request: bool,
        names: tuple[str, ...],
    ) -> dict[str | None, dict[str, list[float]]]:
        """By route and variable: weight, sum, least and greatest."""
        if not names:
            return {}
        key = is_request, names
        if key not in self._sums:
            if len(self._sums) >= _MOST_KNOWN:
                self._sums.clear()
            self._sums[key] = self._make_sums(is_request, names)
        rows = connection.execute(self._sums[key], within)
        return {row[0]: _by_name(names, row[1:]) for row in rows}

    def _make_sums(self, is_request: bool, names: Sequence[str]) -> sa.Select[Any]:
        columns = self._table.columns
        weight = 1.0 / columns.sample_rate
        figures: list[Any] = []
        for name in names:
            number = self._dialect.number(Field("vars", name))
            figures += [
                sa.func.sum(sa.case((number.is_not(None), weight))),
                sa.func.sum(weight * _tamed(number)),
                sa.func.min(number),
                sa.func.max(number),
            ]
        is_kind = columns.kind == "request" if is_request else columns.kind != "request"
        route = self._dialect.key(ROUTE)
        return sa.select(route, *figures).where(*self._within, is_kind).group_by(route)


def _range_of(hour: int) -> dict[str, datetime]:
    return {"begin": moment_of(hour), "end": moment_of(hour + HOUR)}


def moment_of(seconds: int) -> datetime:
    """A time that is told as seconds since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def _numeric_names(documents: Iterable[Any]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for document in documents:
        for name, value in document.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                counts[name] = counts.get(name, 0) + 1
    most = sorted(counts, key=lambda name: (-counts[name], name))[:NAMES]
    # In one order, whatever the hour: a question that was asked before is known.
    return tuple(sorted(most))


def _tamed(number: Any) -> Any:
    """A number that can be summed up: an hour that cannot would keep all others waiting."""
    return sa.case((number > HUGE, HUGE), (number < -HUGE, -HUGE), else_=number)


def _by_name(names: Sequence[str], figures: Sequence[Any]) -> dict[str, list[float]]:
    parts = (figures[start : start + 4] for start in range(0, len(figures), 4))
    pairs = zip(names, parts, strict=True)
    return {name: [float(each) for each in part] for name, part in pairs if part[0] is not None}
