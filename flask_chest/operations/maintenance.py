"""Looks after the SQL stores, off the request path: sums hours up, and lets old records go."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, cast

from .._throttle import SparseLog
from ..chests.base import Chest
from ..errors import ChestError

if TYPE_CHECKING:
    from ..chests.sql.chest import SQLChest

_logger = logging.getLogger("flask_chest.upkeep")

HOUR = 3600
#: An hour is summed up so long after its end: most of its records are delivered by then.
GRACE = 300


class Upkeep:
    """What is done now and then for the stores of one app.

    :param chests: its chests, as they are when it is done.
    :param retention: seconds that records are kept; ``None`` for ever.
    """

    def __init__(self, chests: Sequence[Chest], retention: float | None) -> None:
        self._chests = chests
        self._retention = retention
        self._log = SparseLog(_logger)
        self._done: dict[str, int] = {}

    def run(self, ended: threading.Event) -> None:
        """Do what is due.

        :param ended: set when the process comes to its end.
        """
        hour = (int(time.time()) - GRACE) // HOUR
        for chest in list(self._chests):
            # Once an hour there is something to do.
            if not chest.needs_upkeep or self._done.get(chest.name) == hour:
                continue
            try:
                self._look_after(cast("SQLChest", chest), hour * HOUR, ended)
                self._done[chest.name] = hour
            except Exception as error:  # noqa: BLE001 - the store may be down: later, then
                told = error if isinstance(error, ChestError) else chest.explain(error)
                self._log.warning("upkeep", "upkeep is put off: %s", told)

    def _look_after(self, chest: SQLChest, until: int, ended: threading.Event) -> None:
        from ..chests.sql.rollups.job import Roller, roll
        from ..chests.sql.rollups.lease import Lease, is_begun

        if not is_begun(chest):
            return
        engine = chest.make_engine()
        try:
            lease = Lease(chest, engine)
            if not lease.take():
                return
            roller = Roller(chest, engine)
            try:
                roll(roller, lease, until, ended)
            finally:
                roller.close()
                lease.give_back()
            if self._retention is not None:
                self._prune(chest, ended)
        finally:
            engine.dispose()

    def _prune(self, chest: SQLChest, ended: threading.Event) -> None:
        from ..chests.sql.maintenance import prune

        assert self._retention is not None
        before = datetime.now(timezone.utc) - timedelta(seconds=self._retention)
        gone = sum(prune(chest, before, ended))
        if gone:
            _logger.info("chest %r: %d records beyond CHEST_RETENTION deleted", chest.name, gone)
