"""Sums hours and days up: per route, how many, how many errors, how long, and sums of numbers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..dialects import DIALECTS
from ..late_records import DAY, HOUR, LATE
from .hourly import HourlyAggregates, moment_of
from .rows import Sums, from_row, to_row

if TYPE_CHECKING:
    from ..chest import SQLChest
    from .lease import Lease

#: Sums of hours are kept so long; those of days stay.
HOURS_KEPT = 90 * DAY


class RollupJob:
    """Makes the sums of one chest.

    :param chest: the chest.
    :param engine: a connection to its database, ours alone.
    """

    def __init__(self, chest: SQLChest, engine: sa.Engine) -> None:
        self._records = chest.records
        self._rollups = chest.rollups
        self._engine = engine
        # An hour may have many records: who reads them must not keep writers waiting.
        self._reading = chest.make_read_only_engine()
        self._hours = HourlyAggregates(chest.records, DIALECTS[engine.dialect.name](chest.records))
        columns = chest.rollups.columns
        mine = (
            columns.step == sa.bindparam("of_step", type_=columns.step.type),
            columns.start == sa.bindparam("of_start", type_=columns.start.type),
        )
        self._row_count = sa.select(sa.func.coalesce(sa.func.sum(columns.row_count), 0))
        self._row_count = self._row_count.where(*mine)
        self._delete = sa.delete(chest.rollups).where(*mine)
        self._insert = sa.insert(chest.rollups)
        time = chest.records.columns.time
        later = sa.select(time).where(time >= sa.bindparam("begin", type_=time.type))
        self._next = later.order_by(time).limit(1)

    def close(self) -> None:
        """Let go of the connection that reads."""
        self._reading.dispose()

    def next_hour(self, after: int) -> int | None:
        """The first hour from then on that has records; ``None`` where there is none.

        :param after: seconds since 1970.
        """
        with self._reading.connect() as connection:
            found: datetime | None = connection.execute(
                self._next, {"begin": moment_of(after)}
            ).scalar()
        if found is None:
            return None
        return int(found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp()) // HOUR * HOUR

    def is_whole(self, hour: int) -> bool:
        """Whether an hour is summed up with all of its records.

        One that was pruned in part has fewer records than its sums tell of, and stays as it is.
        """
        with self._reading.connect() as connection:
            there = self._hours.count(connection, hour)
            rolled = connection.execute(self._row_count, {"of_step": HOUR, "of_start": hour})
            return bool(there <= rolled.scalar_one())

    def roll_hour(self, hour: int) -> None:
        """Sum an hour up, anew where it is already."""
        with self._reading.connect() as connection:
            sums = self._hours.sums_of(connection, hour)
        self._replace(HOUR, hour, sums)

    def roll_day(self, day: int) -> None:
        """Add up the hours of a day."""
        found: dict[tuple[bool, str | None], Sums] = {}
        columns = self._rollups.columns
        query = sa.select(self._rollups).where(
            columns.step == HOUR, columns.start >= day, columns.start < day + DAY
        )
        with self._reading.connect() as connection:
            for row in connection.execute(query):
                sums = from_row(dict(row._mapping))
                key = sums.is_request, sums.route
                if key in found:
                    found[key].merge(sums)
                else:
                    found[key] = sums
        self._replace(DAY, day, found.values())

    def stale_days(self) -> list[int]:
        """Days that tell of fewer records than their hours do."""
        columns = self._rollups.columns
        day = columns.start - columns.start % DAY
        query = sa.select(columns.step, day.label("day"), sa.func.sum(columns.row_count))
        counts: dict[tuple[int, int], int] = {}
        with self._reading.connect() as connection:
            for step, start, number in connection.execute(query.group_by(columns.step, day)):
                counts[step, int(start)] = int(number)
        return sorted(
            start
            for (step, start), number in counts.items()
            if step == HOUR and number > counts.get((DAY, start), 0)
        )

    def drop(self, step: int, before: int) -> None:
        """Delete sums that are older."""
        columns = self._rollups.columns
        delete = sa.delete(self._rollups).where(columns.step == step, columns.start < before)
        with self._engine.begin() as connection:
            connection.execute(delete)

    def _replace(self, step: int, start: int, sums: Iterable[Sums]) -> None:
        rows: list[dict[str, Any]] = [
            {"id": _identity(step, start, each), **to_row(step, start, each)} for each in sums
        ]
        with self._engine.begin() as connection:
            connection.execute(self._delete, {"of_step": step, "of_start": start})
            if rows:
                connection.execute(self._insert, rows)


def _identity(step: int, start: int, sums: Sums) -> str:
    key = f"{sums.is_request}:{'-' if sums.route is None else '=' + sums.route}"
    # Short, and nobody gains from a collision.
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{step}-{start}-{digest}"


def run(
    roller: RollupJob, lease: Lease, until: int, ended: threading.Event, since: int | None = None
) -> None:
    """Sum up every hour whose records are not in its sums yet, then the days around them.

    :param until: where the last hour ends: seconds since 1970.
    :param ended: set when the process comes to its end.
    :param since: where to begin; by default a little before the last time's end, or before the
        oldest of the records that came later than that.
    """
    noted, late = lease.rolled_until, lease.late
    # A clock that was ahead for a while has noted hours that are still to come.
    begin = min(noted, until, until if late is None else late.since)
    at = max(0, begin - LATE) if since is None else since
    while not ended.is_set():
        hour = roller.next_hour(at)
        if hour is None or hour >= until:
            break
        if not roller.is_whole(hour):
            roller.roll_hour(hour)
            if not lease.renew():
                return
        at = hour + HOUR
    for day in roller.stale_days():
        roller.roll_day(day)
    # Also those that were just made of late records: hours are there from one moment on, or not.
    roller.drop(HOUR, int(time.time()) - HOURS_KEPT)
    if ended.is_set():
        return
    if since is None or until > noted:
        lease.note(until)
    if since is None and late is not None:
        lease.have_looked(late)
