"""Long ranges, answered from the sums of hours and days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..chests.rollups import DAY, HOUR
from .fields import Field
from .filters import Filter
from .query import DURATION, Query
from .rollup_rows import Sums, from_row

if TYPE_CHECKING:
    from ..chests.sql import SQLChest

#: Seconds of a range from which on sums are asked: below, the records themselves are few enough.
LONG = 2 * DAY
_ROUTE = Field("", "route")
_REQUESTS = Filter(Field("", "kind"), "=", "request")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a range is put together.

    :param sums: step, first start, end: seconds since 1970.
    :param records: what is left: ranges for which there are no sums yet.
    """

    sums: tuple[tuple[int, int, int], ...]
    records: tuple[tuple[datetime, datetime], ...]


class Rollups:
    """The sums of one SQL chest.

    :param chest: the chest.
    :param rows: asks its database.
    """

    def __init__(
        self, chest: SQLChest, rows: Callable[[sa.Select[Any]], Sequence[sa.Row[Any]]]
    ) -> None:
        self._records = chest.records
        self._table = chest.rollups
        self._upkeep = chest.upkeep
        self._rows = rows

    def plan(self, query: Query, step: float = DAY) -> Plan | None:
        """How sums answer a question; ``None`` where they cannot.

        :param step: seconds of the intervals that are asked for.
        """
        if query.seconds <= LONG or step < HOUR or not _is_about_routes(query):
            return None
        rolled = min(self._rolled_until(), query.until.timestamp())
        begin, end = _up(query.since.timestamp(), HOUR), int(rolled) // HOUR * HOUR
        if end - begin < DAY:
            return None
        if query.measure != DURATION and self._reaches_back(query):
            return None  # the records tell of percentiles, too
        raw = ((query.since, _moment(begin)), (_moment(end), query.until))
        return Plan(tuple(_cut(begin, end, step)), tuple(each for each in raw if each[0] < each[1]))

    def read(self, plan: Plan, query: Query) -> Iterator[tuple[int, Sums]]:
        """The sums of a plan, each with its start."""
        columns = self._table.columns
        for step, begin, end in plan.sums:
            wanted = sa.select(self._table).where(
                columns.step == step, columns.start >= begin, columns.start < end
            )
            for each in query.where:
                if each == _REQUESTS:
                    wanted = wanted.where(columns.is_request)
                elif each.value:
                    wanted = wanted.where(columns.route == each.value)
                else:
                    wanted = wanted.where(columns.route.is_(None))
            for row in self._rows(wanted):
                yield row.start, from_row(dict(row._mapping))

    def _rolled_until(self) -> float:
        columns = self._upkeep.columns
        mine = columns.table_name == self._records.name
        found = self._rows(sa.select(columns.rolled_until).where(mine))
        return float(found[0][0]) if found else 0.0

    def _reaches_back(self, query: Query) -> bool:
        oldest = self._rows(sa.select(sa.func.min(self._records.columns.time)))
        time: datetime | None = oldest[0][0] if oldest else None
        if time is None:
            return False
        return (time.replace(tzinfo=timezone.utc) - query.since).total_seconds() < HOUR


def _is_about_routes(query: Query) -> bool:
    if query.by not in (None, _ROUTE):
        return False
    if query.measure != DURATION and query.measure.place != "vars":
        return False
    return all(
        each == _REQUESTS or (each.field == _ROUTE and each.operator == "=") for each in query.where
    )


def _cut(begin: int, end: int, step: float) -> Iterator[tuple[int, int, int]]:
    """Whole days where they serve, hours around them."""
    first, last = _up(begin, DAY), end // DAY * DAY
    if first >= last or step < DAY:
        yield HOUR, begin, end
        return
    if begin < first:
        yield HOUR, begin, first
    yield DAY, first, last
    if last < end:
        yield HOUR, last, end


def _up(seconds: float, unit: int) -> int:
    return int(-(-seconds // unit)) * unit


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
