"""The rollup job: aggregates hours of records into rollups, and rollups of hours into days."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ....query.time_intervals import DAY, HOUR, floor_to, from_timestamp, to_utc
from ..dialects import DIALECTS
from ..store_protocols import Store
from .hourly_aggregates import HourlyAggregates
from .late_records import LateRecords
from .maintenance_lease import Lease
from .pruned_hours import is_pruned
from .rollup_delay import MAX_DELAY
from .rollup_row import Rollup, from_row, rollup_id, to_row

#: Seconds that rollups of hours are kept. Rollups of days are kept forever.
HOURS_KEPT = 90 * DAY


class RollupJob:
    """Writes the rollups of one store.

    :param store: the store.
    :param engine: an engine of the store that nothing else uses.
    """

    def __init__(self, store: Store, engine: sa.Engine) -> None:
        self._rollups = store.rollups
        self._engine = engine
        self._late_records = LateRecords(store.maintenance, store.records.name)
        # Reading an hour with many records must not block writers.
        self._read_only_engine = store.make_read_only_engine()
        name = engine.dialect.name
        dialect = DIALECTS[name](store.records)
        self._hours = HourlyAggregates(store.records, dialect, name)
        columns = store.rollups.columns
        is_of_interval = (
            columns.step == sa.bindparam("of_step", type_=columns.step.type),
            columns.start == sa.bindparam("of_start", type_=columns.start.type),
        )
        is_live = sa.not_(is_pruned(columns))
        row_count = sa.select(sa.func.coalesce(sa.func.sum(columns.row_count), 0))
        self._row_count = row_count.where(*is_of_interval, is_live)
        self._delete = sa.delete(store.rollups).where(*is_of_interval, is_live)
        self._is_live = is_live
        self._insert = sa.insert(store.rollups)
        time = store.records.columns.time
        later = sa.select(time).where(time >= sa.bindparam("begin", type_=time.type))
        self._next = later.order_by(time).limit(1)

    def close(self) -> None:
        """Close the connection that reads."""
        self._read_only_engine.dispose()

    def run(
        self, lease: Lease, until: int, stop: threading.Event, since: int | None = None
    ) -> None:
        """Roll up all hours with records that are missing in the rollups, then their days.

        :param until: end of the last hour: seconds since 1970.
        :param stop: set when the process shuts down.
        :param since: start of the first hour: seconds since 1970. By default, a little before the
            end of the last run, or the oldest record that was reported as late since.
        """
        rolled_until, late = lease.rolled_until, self._late_records.pending(self._engine)
        # If a clock was ahead, the end of the last run may be in the future.
        begin = min(rolled_until, until, until if late is None else late.since)
        # A whole day: rollups of its hours may have expired, and the day needs all of them.
        first = floor_to(max(0, begin - MAX_DELAY), DAY) if since is None else since
        if not self._roll_up_hours(lease, first, until, stop):
            return
        for day in self.stale_days():
            self.roll_up_day(day)
        # After the days, since late records may have added rollups of old hours. A reader relies
        # on rollups of hours being complete from one moment on.
        self.delete_expired_hours()
        if stop.is_set():
            return
        if since is None or until > rolled_until:
            lease.set_rolled_until(until)
        if since is None and late is not None:
            self._late_records.clear(self._engine, late)

    def _roll_up_hours(self, lease: Lease, first: int, until: int, stop: threading.Event) -> bool:
        """Return whether this process still holds the lease."""
        start = first
        while not stop.is_set():
            hour = self.next_hour(start)
            if hour is None or hour >= until:
                break
            if not self.is_complete(hour):
                self.roll_up_hour(hour)
                if not lease.renew():
                    return False
            start = hour + HOUR
        return True

    def next_hour(self, after: int) -> int | None:
        """The first hour with records at or after a time; ``None`` if there is none.

        :param after: seconds since 1970.
        """
        with self._read_only_engine.connect() as connection:
            parameters = {"begin": from_timestamp(after)}
            found: datetime | None = connection.execute(self._next, parameters).scalar()
        return None if found is None else floor_to(to_utc(found).timestamp(), HOUR)

    def is_complete(self, hour: int) -> bool:
        """Whether the rollups of an hour count exactly its stored records."""
        with self._read_only_engine.connect() as connection:
            records = self._hours.count(connection, hour)
            parameters = {"of_step": HOUR, "of_start": hour}
            rolled_up = connection.execute(self._row_count, parameters).scalar_one()
        return bool(records == rolled_up)

    def roll_up_hour(self, hour: int) -> None:
        """Write the rollups of an hour, replacing older ones."""
        with self._read_only_engine.connect() as connection:
            rollups = self._hours.rollups(connection, hour)
        self._replace(HOUR, hour, rollups)

    def roll_up_day(self, day: int) -> None:
        """Write the rollups of a day from the rollups of its hours, without pruned records."""
        merged: dict[tuple[bool, str | None], Rollup] = {}
        columns = self._rollups.columns
        query = sa.select(self._rollups).where(
            columns.step == HOUR,
            columns.start >= day,
            columns.start < day + DAY,
            self._is_live,
        )
        with self._read_only_engine.connect() as connection:
            for row in connection.execute(query):
                rollup = from_row(dict(row._mapping))
                key = rollup.is_request, rollup.route
                if key in merged:
                    merged[key].merge(rollup)
                else:
                    merged[key] = rollup
        self._replace(DAY, day, merged.values())

    def stale_days(self) -> list[int]:
        """Days whose rollups count other records than the rollups of their hours.

        The rollups of their hours may have expired; the days are then up to date.
        """
        columns = self._rollups.columns
        day = columns.start - columns.start % DAY
        query = sa.select(columns.step, day.label("day"), sa.func.sum(columns.row_count))
        query = query.where(self._is_live)
        counts: dict[tuple[int, int], int] = {}
        with self._read_only_engine.connect() as connection:
            for step, start, number in connection.execute(query.group_by(columns.step, day)):
                counts[step, int(start)] = int(number)
        return sorted(
            start
            for (step, start), number in counts.items()
            if step == HOUR and number != counts.get((DAY, start), 0)
        )

    def delete_expired_hours(self) -> None:
        """Delete rollups of hours that rollups of days replace."""
        columns = self._rollups.columns
        before = int(time.time()) - HOURS_KEPT
        delete = sa.delete(self._rollups).where(columns.step == HOUR, columns.start < before)
        with self._engine.begin() as connection:
            connection.execute(delete)

    def _replace(self, step: int, start: int, rollups: Iterable[Rollup]) -> None:
        rows: list[dict[str, Any]] = [
            {"id": rollup_id(step, start, each), **to_row(step, start, each)} for each in rollups
        ]
        with self._engine.begin() as connection:
            connection.execute(self._delete, {"of_step": step, "of_start": start})
            if rows:
                connection.execute(self._insert, rows)
