"""What goes wrong is logged once per kind and minute, not once per request."""

from __future__ import annotations

import logging
import time

_PAUSE = 60.0


class LogThrottle:
    """Logs a kind of trouble at most once a minute, with the number of times it was held back.

    :param logger: where it goes.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def warning(self, kind: str, message: str, *details: object, exc_info: bool = False) -> None:
        """Log at level WARNING, unless this kind was logged within the last minute.

        :param kind: what counts as the same trouble.
        """
        now = time.monotonic()
        last = self._last.get(kind)
        if last is not None and now - last < _PAUSE:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return
        self._last[kind] = now
        again = self._held_back.pop(kind, 0)
        if again:
            message, details = message + " (%d more in between)", (*details, again)
        self._logger.warning(message, *details, exc_info=exc_info)
