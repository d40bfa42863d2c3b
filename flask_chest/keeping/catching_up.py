"""Sums up hours anew whose records have come long after them, as imported ones do."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..chests.rollups import HOUR
from ..errors import ReadError
from .lease import Lease
from .roller import Roller, roll

if TYPE_CHECKING:
    from ..chests.sql import SQLChest


def catch_up(chest: SQLChest, since: datetime, until: datetime) -> None:
    """Take records into the sums that are there already, as far as those go.

    :param since: when the first of the records was made.
    :param until: when the last one was.
    :raises flask_chest.errors.ReadError: another process is at it, or the store does not answer.
    """
    engine = chest.make_engine()
    try:
        _catch_up(chest, engine, int(since.timestamp()), int(until.timestamp()) + HOUR)
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise ReadError(chest.explain(cause, chest.remedy(error))) from None
    finally:
        engine.dispose()


def _catch_up(chest: SQLChest, engine: sa.Engine, since: int, until: int) -> None:
    lease = Lease(chest, engine)
    if since >= lease.rolled_until:
        return
    if not lease.take():
        reason = "another process is summing it up, so long ranges may lack what was imported"
        raise ReadError(chest.explain(reason, "import it again later; nothing will be there twice"))
    roller = Roller(chest, engine)
    try:
        end = min(until, lease.rolled_until)
        roll(roller, lease, end, threading.Event(), since=since // HOUR * HOUR)
    finally:
        roller.close()
        lease.give_back()
