"""Deletes records from an SQL store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import exc

from ...query.time_intervals import DAY, HOUR, floor_to, to_utc
from ..closed_hours import GRACE
from ..eraser import BATCH_SIZE, Eraser
from .rollup_and_pruning import maintain
from .rollups.late_records import LateRecords
from .rollups.pruned_hours import is_pruned
from .store_protocols import Store


class SQLEraser(Eraser):
    """Deletes rows from the table of records.

    :param store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = store.records
        self._rollups = store.rollups
        self._late_records = LateRecords(store.maintenance, store.records.name)
        self._engine = store.make_engine()
        # Searching for old records takes no lock; only the deletion itself does.
        self._read_only_engine = store.make_read_only_engine()

    def erase(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        columns = self._table.columns
        is_meant = columns.id.in_(ids)
        try:
            with self._read_only_engine.connect() as connection:
                query = sa.select(columns.time).where(is_meant)
                moments = connection.execute(query).scalars().all()
            if not moments:
                return 0
            hours = {floor_to(to_utc(moment).timestamp(), HOUR) for moment in moments}
            # First, so that readers no longer use rollups that count the records.
            self._late_records.report(self._engine, min(hours))
            with self._engine.begin() as connection:
                connection.execute(self._delete_rollups(hours))
                return connection.execute(sa.delete(self._table).where(is_meant)).rowcount
        except exc.SQLAlchemyError as error:
            raise self._store.to_read_error(error) from None

    def finish(self) -> list[str]:
        until = floor_to(time.time() - GRACE, HOUR)
        try:
            is_done = maintain(self._store, until, None, threading.Event())
            problem = self._store.overwrite_free_space(self._engine)
        except exc.SQLAlchemyError as error:
            raise self._store.to_read_error(error) from None
        problems = [] if problem is None else [problem]
        if not is_done:
            problems.append(
                "another process maintains the store; it computes the hourly rollups again within "
                "the hour"
            )
        return problems

    def _delete_rollups(self, hours: set[int]) -> sa.Delete:
        """Delete the rollups that count the records of these hours; they are computed again."""
        columns = self._rollups.columns
        days = {floor_to(hour, DAY) for hour in hours}
        is_meant = sa.or_(
            sa.and_(columns.step == HOUR, columns.start.in_(hours)),
            sa.and_(columns.step == DAY, columns.start.in_(days)),
        )
        return sa.delete(self._rollups).where(is_meant, sa.not_(is_pruned(columns)))

    def prune(self, before: datetime) -> Iterator[int]:
        while ids := self._oldest(before):
            yield self.erase(ids)

    def close(self) -> None:
        self._read_only_engine.dispose()
        self._engine.dispose()

    def _oldest(self, before: datetime) -> list[str]:
        columns = self._table.columns
        older = sa.select(columns.id).where(columns.time < before)
        oldest = older.order_by(columns.time).limit(BATCH_SIZE)
        try:
            with self._read_only_engine.connect() as connection:
                return list(connection.execute(oldest).scalars().all())
        except exc.SQLAlchemyError as error:
            if self._store.is_missing_table(error):
                return []  # nothing has been delivered yet
            raise self._store.to_read_error(error) from None
