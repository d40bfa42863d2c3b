"""Deletes records beyond ``CHEST_RETENTION`` in the background, after rolling up their hours."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from .._throttle import LogThrottle
from ..chests.base import Chest
from ..errors import ChestError
from ..query.time_intervals import HOUR

_logger = logging.getLogger("flask_chest.maintenance")

#: Seconds between the end of an hour and its maintenance: most of its records have arrived then.
GRACE = 300


class Maintenance:
    """The hourly maintenance of an app's chests: rollups and retention.

    :param chests: the chests; read again at each run.
    :param retention: seconds that records are kept; ``None`` keeps them forever.
    """

    def __init__(self, chests: Sequence[Chest], retention: float | None) -> None:
        self._chests = chests
        self._retention = retention
        self._log = LogThrottle(_logger)
        self._finished: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Maintain each chest that has not been maintained in this hour.

        :param stop: set when the process shuts down.
        """
        hour = (int(time.time()) - GRACE) // HOUR
        for chest in list(self._chests):
            if not chest.needs_maintenance or self._finished.get(chest.name) == hour:
                continue
            try:
                chest.maintain(hour * HOUR, self._retention, stop)
                self._finished[chest.name] = hour
            except Exception as error:  # noqa: BLE001 - a chest of the user may raise anything
                cause = error if isinstance(error, ChestError) else chest.error_message(error)
                self._log.warning("maintenance", "maintenance is postponed: %s", cause)
