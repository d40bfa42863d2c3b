"""Rolls up and prunes the records of an SQL store, in one process at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import ReadError
from ...query.time_intervals import DAY, HOUR, floor_to, floor_to_hour
from .rollups.maintenance_lease import Lease
from .rollups.pruned_hours import PrunedHours
from .rollups.rollup_job import RollupJob
from .store_protocols import Store

_logger = logging.getLogger("flask_chest.maintenance")


def maintain(store: Store, until: int, retention: float | None, stop: threading.Event) -> bool:
    """Roll up the hours before ``until``, then delete records older than ``retention``.

    :param until: end of the last hour to roll up: seconds since 1970.
    :param retention: seconds that records are kept; ``None`` keeps them forever.
    :param stop: set when the process shuts down.
    :returns: whether it was done; ``False`` if another process is maintaining the store.
    """
    if not tables_exist(store):
        return True
    with _exclusive(store) as work:
        if work is None:
            return False
        for _ in work.pruned_hours.finish():
            pass
        work.job.run(work.lease, until, stop)
    if retention is None:
        return True
    before = datetime.now(timezone.utc) - timedelta(seconds=retention)
    deleted = sum(prune(store, before, stop))
    if deleted:
        _logger.info("chest %r: %d records beyond CHEST_RETENTION deleted", store.name, deleted)
    return True


def prune(store: Store, before: datetime, stop: threading.Event) -> Iterator[int]:
    """Delete old records in small batches; yield the size of each batch.

    :param before: records of the hour that contains this time are kept.
    :param stop: set to stop after the current batch.
    :raises flask_chest.errors.ReadError: another process is pruning the store, or the store does
        not answer.
    """
    try:
        if tables_exist(store):
            yield from _prune(store, floor_to_hour(before), stop)
    except exc.SQLAlchemyError as error:
        raise store.to_read_error(error) from None


def tables_exist(store: Store) -> bool:
    """Whether the tables of a store exist. It creates no table and no file."""
    engine = store.make_read_only_engine()
    try:
        return sa.inspect(engine).has_table(store.maintenance.name)
    except exc.DBAPIError as error:
        if store.is_missing_table(error):
            return False
        raise
    finally:
        engine.dispose()


class _Work(NamedTuple):
    job: RollupJob
    pruned_hours: PrunedHours
    lease: Lease
    engine: sa.Engine


@contextmanager
def _exclusive(store: Store) -> Iterator[_Work | None]:
    """Hold the lease of a store; yield ``None`` if another process holds it."""
    engine = store.make_engine()
    try:
        lease = Lease(store, engine)
        if not lease.acquire():
            yield None
            return
        job = RollupJob(store, engine)
        try:
            yield _Work(job, PrunedHours(store, engine), lease, engine)
        finally:
            job.close()
            lease.release()
    finally:
        engine.dispose()


def _prune(store: Store, end: datetime, stop: threading.Event) -> Iterator[int]:
    with _exclusive(store) as work:
        if work is None:
            message = store.error_message("another process is pruning it", "try again later")
            raise ReadError(message)
        yield from work.pruned_hours.finish()
        until = int(end.timestamp())
        # Late records must be in the rollups before they are deleted.
        work.job.run(work.lease, until, stop, since=0)
        yield from _prune_hours(work, until, stop)
        work.job.delete_expired_hours()
        store.overwrite_free_space(work.engine)


def _prune_hours(work: _Work, until: int, stop: threading.Event) -> Iterator[int]:
    start = 0
    while not stop.is_set() and work.lease.renew():
        hour = work.job.next_hour(start)
        if hour is None or hour >= until:
            return
        start = hour + HOUR
        if not work.job.is_complete(hour):
            work.job.roll_up_hour(hour)
            work.job.roll_up_day(floor_to(hour, DAY))
        for number in work.pruned_hours.prune(hour):
            yield number
            if stop.is_set():
                return
