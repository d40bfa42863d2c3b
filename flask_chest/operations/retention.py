"""Looks after the SQL stores, off the request path: sums hours up, and lets old records go."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from .._throttle import LogThrottle
from ..chests.base import Chest
from ..errors import ChestError

_logger = logging.getLogger("flask_chest.upkeep")

HOUR = 3600
#: An hour is summed up so long after its end: most of its records are delivered by then.
GRACE = 300


class Maintenance:
    """What is done now and then for the stores of one app.

    :param chests: its chests, as they are when it is done.
    :param retention: seconds that records are kept; ``None`` for ever.
    """

    def __init__(self, chests: Sequence[Chest], retention: float | None) -> None:
        self._chests = chests
        self._retention = retention
        self._log = LogThrottle(_logger)
        self._done: dict[str, int] = {}

    def run(self, ended: threading.Event) -> None:
        """Do what is due.

        :param ended: set when the process comes to its end.
        """
        hour = (int(time.time()) - GRACE) // HOUR
        for chest in list(self._chests):
            # Once an hour there is something to do.
            if not chest.needs_maintenance or self._done.get(chest.name) == hour:
                continue
            try:
                chest.maintain(hour * HOUR, self._retention, ended)
                self._done[chest.name] = hour
            except Exception as error:  # noqa: BLE001 - the store may be down: later, then
                told = error if isinstance(error, ChestError) else chest.error_message(error)
                self._log.warning("upkeep", "upkeep is put off: %s", told)
