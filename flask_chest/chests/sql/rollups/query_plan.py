"""Plans which parts of a long time range rollups answer, and which parts the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import sqlalchemy as sa

from ....query.fields import ROUTE, Field
from ....query.filter_parsing import Filter
from ....query.query import DURATION, Query
from ....query.time_intervals import DAY, HOUR, ceil_to, floor_to, from_timestamp
from ..store_protocols import Store
from ..table_names import state_key

#: Rollups answer ranges longer than this many seconds. Shorter ranges have few enough records.
LONG = 2 * DAY
#: The filter for requests; rollups answer it besides filters of the route.
REQUESTS = Filter(Field("", "kind"), "=", "request")
# Later than any time.
_NEVER = 1 << 40

if TYPE_CHECKING:  # SQLAlchemy 1.4 has no generic classes
    Select: TypeAlias = Callable[[sa.Select[Any]], Sequence[sa.Row[Any]]]


@dataclass(frozen=True, slots=True)
class RollupPlan:
    """The parts of a time range.

    :param rollups: step, start and exclusive end of each part that rollups answer: seconds since
        1970.
    :param pruned: likewise, for parts in which only the rollups of pruned records count.
    :param records: start and exclusive end of each part whose stored records are read, since their
        rollups are missing or outdated.
    :param step: length in seconds of the shortest intervals that the rollups can answer.
    :param begin: start of the first interval: the start of the range, or of its first hour or day.
    """

    rollups: tuple[tuple[int, int, int], ...]
    pruned: tuple[tuple[int, int, int], ...]
    records: tuple[tuple[datetime, datetime], ...]
    step: float
    begin: datetime


class _State(NamedTuple):
    """The progress of a store's maintenance: seconds since 1970.

    :param rolled_until: the end of the last hour that was rolled up.
    :param late_since: the time of the oldest record that came after its hour was rolled up.
    :param pruned_until: the end of the last hour whose records were deleted.
    """

    rolled_until: float
    late_since: float
    pruned_until: float


class _Parts(NamedTuple):
    """Where the parts of a range begin and end: seconds since 1970.

    :param begin: the start of the rollups.
    :param live_end: from here on, rollups count pruned records only, and stored ones are read.
    :param pruned_end: the end of the rollups.
    """

    begin: int
    live_end: int
    pruned_end: int


class RollupPlanner:
    """Plans the queries of one store.

    :param store: the store.
    :param select: runs a query in the database.
    """

    def __init__(self, store: Store, select: Select) -> None:
        self._records = store.records
        self._rollups = store.rollups
        self._maintenance = store.maintenance
        self._select = select

    def plan(self, query: Query, step: float = DAY) -> RollupPlan | None:
        """Plan one query; return ``None`` if its records must be read.

        :param step: length in seconds of the requested intervals.
        """
        requested = step
        is_long = query.seconds > LONG
        if not _is_about_routes(query):
            return None
        if not is_long or step < HOUR:
            if self.has_all_records(query):
                return None
            step = max(step, HOUR)  # pruned records are known by the hour only
        state = self._state()
        until = query.until.timestamp()
        begin, end = ceil_to(query.since.timestamp(), HOUR), floor_to(until, HOUR)
        # From here on the rollups of stored records are missing, or lack late records.
        live_end = floor_to(min(state.rolled_until, state.late_since, until), HOUR)
        pruned_end = min(end, int(state.pruned_until))
        if max(live_end, pruned_end) - begin < (DAY if is_long else HOUR):
            return None
        if query.measure != DURATION and self.has_all_records(query):
            return None  # only records give percentiles of variables
        hours_from = self._hours_from()
        if begin < hours_from:
            if step < DAY and self.has_all_records(query):
                return None  # only records give intervals of hours
            # Whole days. Records answer what is left, if they are still stored.
            step, begin = max(step, DAY), ceil_to(begin, DAY)
            live_end = floor_to(live_end, DAY) if live_end <= hours_from else live_end
            if pruned_end <= hours_from:
                # The pruned part of a day counts no stored record, so the whole day may be read.
                pruned_end = min(ceil_to(pruned_end, DAY), floor_to(end, DAY))
            if begin >= max(live_end, pruned_end):
                return None
        live_end = max(begin, live_end)
        parts = _Parts(begin, live_end, max(live_end, pruned_end))
        return _make_plan(query, requested, step, parts)

    def _state(self) -> _State:
        columns = self._maintenance.columns
        name = self._records.name
        late, pruned = state_key(name, "late"), state_key(name, "pruned")
        is_meant = columns.table_name.in_((name, late, pruned))
        rows = self._select(sa.select(columns.table_name, columns.rolled_until).where(is_meant))
        values: dict[str, float] = {row.table_name: row.rolled_until for row in rows}
        return _State(values.get(name, 0), values.get(late, _NEVER), values.get(pruned, 0))

    def _hours_from(self) -> int:
        """The time from which on there are rollups of hours. Rollups of days start earlier."""
        hour, day = self._first_start(HOUR, 0), self._first_start(DAY, 0)
        if day is None:
            return 0
        if hour is None:
            return _NEVER
        return ceil_to(hour, DAY) if day < floor_to(hour, DAY) else 0

    def has_all_records(self, query: Query) -> bool:
        """Whether retention has deleted no record of the range."""
        return query.since.timestamp() >= self._state().pruned_until

    def _first_start(self, step: int, since: float) -> int | None:
        columns = self._rollups.columns
        first = sa.select(sa.func.min(columns.start))
        rows = self._select(first.where(columns.step == step, columns.start >= since))
        return rows[0][0] if rows else None


def _make_plan(query: Query, requested: float, step: float, parts: _Parts) -> RollupPlan:
    begin, live_end, pruned_end = parts
    around = (query.since, from_timestamp(begin)), (from_timestamp(live_end), query.until)
    first = query.first_interval
    if step > requested:
        first = from_timestamp(floor_to(first.timestamp(), step))
    return RollupPlan(
        rollups=tuple(_split(begin, live_end, step)),
        pruned=tuple(_split(live_end, pruned_end, step)),
        records=tuple(part for part in around if part[0] < part[1]),
        step=step,
        begin=first,
    )


def _is_about_routes(query: Query) -> bool:
    if query.by not in (None, ROUTE):
        return False
    if query.measure != DURATION and query.measure.document != "vars":
        return False
    return all(each == REQUESTS or each.field == ROUTE for each in query.where)


def _split(begin: int, end: int, step: float) -> Iterator[tuple[int, int, int]]:
    """Whole days if the step allows it, and hours before and after them."""
    if begin >= end:
        return
    first, last = ceil_to(begin, DAY), floor_to(end, DAY)
    if first >= last or step < DAY:
        yield HOUR, begin, end
        return
    if begin < first:
        yield HOUR, begin, first
    yield DAY, first, last
    if last < end:
        yield HOUR, last, end
