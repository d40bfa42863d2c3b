"""Long ranges, answered from the sums of hours and days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ....query.fields import ROUTE, Field
from ....query.filters import Filter
from ....query.query import DURATION, Query
from ..late_records import DAY, HOUR

if TYPE_CHECKING:
    from ..chest import SQLChest

#: Seconds of a range from which on sums are asked: below, the records themselves are few enough.
LONG = 2 * DAY
_NEVER = 1 << 40
_REQUESTS = Filter(Field("", "kind"), "=", "request")


@dataclass(frozen=True, slots=True)
class RollupPlan:
    """How a range is put together.

    :param sums: step, first start, end: seconds since 1970.
    :param records: what is left: ranges for which there are no sums yet.
    :param step: seconds of the intervals that it can tell of.
    :param begin: where the first of them begins: with the range, or with its first hour or day.
    """

    sums: tuple[tuple[int, int, int], ...]
    records: tuple[tuple[datetime, datetime], ...]
    step: float
    begin: datetime


class RollupReader:
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

    def plan(self, query: Query, step: float = DAY) -> RollupPlan | None:
        """How sums answer a question; ``None`` where they cannot.

        :param step: seconds of the intervals that are asked for.
        """
        asked, is_long = step, query.seconds > LONG
        if not _is_about_routes(query) or (is_long and step < HOUR):
            return None
        if not is_long:
            if self._reaches_back(query):
                return None
            step = max(step, HOUR)
        rolled = min(self._rolled_until(), query.until.timestamp())
        begin, end = _up(query.since.timestamp(), HOUR), int(rolled) // HOUR * HOUR
        if end - begin < (DAY if is_long else HOUR):
            return None
        if query.measure != DURATION and self._reaches_back(query):
            return None  # the records tell of percentiles, too
        hours_from = self._hours_from()
        if begin < hours_from:
            if step < DAY and self._reaches_back(query):
                return None  # the records tell of hours, too
            # Whole days; of what is left the records tell, where they are there still.
            step, begin = max(step, DAY), _up(begin, DAY)
            end = end // DAY * DAY if end <= hours_from else end
            if begin >= end:
                return None
        raw = ((query.since, _moment(begin)), (_moment(end), query.until))
        left = tuple(each for each in raw if each[0] < each[1])
        first = query.since
        if step > asked:
            first = _moment(int(first.timestamp() // step * step))
        return RollupPlan(tuple(_cut(begin, end, step)), left, step, first)

    def read(self, plan: RollupPlan, query: Query) -> Iterator[sa.Row[Any]]:
        """The rows of a plan."""
        columns = self._table.columns
        needed = [each for each in columns if each.name != "numbers" or query.measure != DURATION]
        routes = {each.value for each in query.where if each != _REQUESTS and each.value}
        for step, begin, end in plan.sums:
            wanted = sa.select(*needed).where(
                columns.step == step, columns.start >= begin, columns.start < end
            )
            for each in query.where:
                if each == _REQUESTS:
                    wanted = wanted.where(columns.is_request)
                elif each.value:
                    wanted = wanted.where(columns.route == each.value)
                else:
                    wanted = wanted.where(columns.route.is_(None))
            # A collation of MySQL's finds routes that are like it, too.
            yield from (row for row in self._rows(wanted) if not routes or {row.route} == routes)

    def _rolled_until(self) -> float:
        columns = self._upkeep.columns
        mine = columns.table_name == self._records.name
        found = self._rows(sa.select(columns.rolled_until).where(mine))
        return float(found[0][0]) if found else 0.0

    def _hours_from(self) -> int:
        """From when on sums of hours are kept: those of days outlive them."""
        hour, day = self._first_sum(HOUR, 0), self._first_sum(DAY, 0)
        if day is None:
            return 0
        if hour is None:
            return _NEVER
        return _up(hour, DAY) if day < hour // DAY * DAY else 0

    def _reaches_back(self, query: Query) -> bool:
        """Whether the records of the range are all there still."""
        oldest = self._rows(sa.select(sa.func.min(self._records.columns.time)))
        time: datetime | None = oldest[0][0] if oldest else None
        if time is None:
            return False
        begins = time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp()
        if begins <= query.since.timestamp():
            return True
        # Sums of hours go before those of days do.
        for step in (HOUR, DAY):
            first = self._first_sum(step, query.since.timestamp())
            if first is not None and first < begins // step * step:
                return False
        return True

    def _first_sum(self, step: int, since: float) -> int | None:
        columns = self._table.columns
        first = sa.select(sa.func.min(columns.start))
        found = self._rows(first.where(columns.step == step, columns.start >= since))
        return found[0][0] if found else None


def _is_about_routes(query: Query) -> bool:
    if query.by not in (None, ROUTE):
        return False
    if query.measure != DURATION and query.measure.document != "vars":
        return False
    return all(
        each == _REQUESTS or (each.field == ROUTE and each.operator == "=") for each in query.where
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
