"""Lets old records of an SQL store go, once their hours are summed up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ...errors import ReadError
from ...query.intervals import floor_to_hour
from .eraser import SQLEraser
from .rollups.job import RollupJob, run
from .rollups.lease import Lease, is_begun

if TYPE_CHECKING:
    from .chest import SQLChest

_logger = logging.getLogger("flask_chest.upkeep")


def maintain(chest: SQLChest, until: int, retention: float | None, stop: threading.Event) -> None:
    """Sum up the hours before ``until``, then delete what is older than ``retention`` seconds."""
    if not is_begun(chest):
        return
    engine = chest.make_engine()
    try:
        lease = Lease(chest, engine)
        if not lease.acquire():
            return
        roller = RollupJob(chest, engine)
        try:
            run(roller, lease, until, stop)
        finally:
            roller.close()
            lease.release()
    finally:
        engine.dispose()
    if retention is not None:
        _apply_retention(chest, retention, stop)


def _apply_retention(chest: SQLChest, retention: float, stop: threading.Event) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=retention)
    deleted = sum(prune(chest, before, stop))
    if deleted:
        _logger.info("chest %r: %d records beyond CHEST_RETENTION deleted", chest.name, deleted)


def prune(chest: SQLChest, before: datetime, ended: threading.Event) -> Iterator[int]:
    """Delete what is older, in small batches; yields the size of each.

    :param before: the hour in which it lies stays.
    :param ended: set to stop.
    :raises flask_chest.errors.ReadError: another process is at it, or the store does not answer.
    """
    try:
        if is_begun(chest):
            yield from _prune(chest, floor_to_hour(before), ended)
    except sa.exc.SQLAlchemyError as error:
        raise chest.to_read_error(error) from None


def _prune(chest: SQLChest, end: datetime, ended: threading.Event) -> Iterator[int]:
    engine = chest.make_engine()
    try:
        lease = Lease(chest, engine)
        if not lease.acquire():
            raise ReadError(chest.error_message("another process is pruning it", "try again later"))
        roller = RollupJob(chest, engine)
        try:
            # What came late must be in the sums before it goes.
            run(roller, lease, int(end.timestamp()), ended, since=0)
            yield from _delete(chest, end, lease, ended)
        finally:
            roller.close()
            lease.release()
    finally:
        engine.dispose()


def _delete(
    chest: SQLChest, before: datetime, lease: Lease, ended: threading.Event
) -> Iterator[int]:
    eraser = SQLEraser(chest)
    try:
        for number in eraser.prune(before):
            yield number
            if ended.is_set() or not lease.renew():
                return
    finally:
        eraser.close()
