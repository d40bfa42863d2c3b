"""Archives, rolls up and deletes records in the background: hours that are over, old records."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from .._throttle import LogThrottle
from ..archive.archives import Archives
from ..chests.base import Chest
from ..errors import ChestError
from ..query.time_intervals import HOUR
from .background_archiving import BackgroundArchiving

_logger = logging.getLogger("flask_chest.maintenance")

#: Seconds between the end of an hour and its maintenance: most of its records have arrived then.
GRACE = 300


class Maintenance:
    """The hourly maintenance of an app's chests: archive, rollups and retention.

    :param chests: the chests; read again at each run.
    :param retention: seconds that records are kept; ``None`` keeps them forever.
    :param archives: the archives of the chests; by default they have none.
    """

    def __init__(
        self, chests: Sequence[Chest], retention: float | None, archives: Archives | None = None
    ) -> None:
        self._chests = chests
        self._retention = retention
        self._archiving = BackgroundArchiving(archives or Archives(None))
        self._log = LogThrottle(_logger)
        self._finished: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Maintain each chest that has not been maintained in this hour.

        :param stop: set when the process shuts down.
        """
        hour = (int(time.time()) - GRACE) // HOUR
        for chest in list(self._chests):
            try:
                # Retention deletes only what the archive has.
                self._archiving.run(chest, stop)
                if chest.needs_maintenance and self._finished.get(chest.name) != hour:
                    chest.maintain(hour * HOUR, self._retention, stop)
                    self._finished[chest.name] = hour
            except Exception as error:  # noqa: BLE001 - a chest of the user may raise anything
                cause = error if isinstance(error, ChestError) else chest.error_message(error)
                self._log.warning("maintenance", "maintenance is postponed: %s", cause)
