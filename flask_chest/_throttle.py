"""Limits the log to one message per kind and minute, so that failing requests do not flood it."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

_INTERVAL = 60.0


class LogThrottle:
    """Logs each kind of failure at most once a minute, with the number of suppressed messages.

    :param logger: the logger to use.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def warning(self, kind: str, message: str, *details: object, exc_info: bool = False) -> None:
        """Log at level WARNING, unless this kind was logged within the last minute.

        :param kind: messages of the same kind suppress each other.
        """
        now = time.monotonic()
        last = self._last.get(kind)
        if last is not None and now - last < _INTERVAL:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        self._last[kind] = now
        count = self._suppressed.pop(kind, 0)
        if count:
            message, details = message + " (%d more in between)", (*details, count)
        # A handler of the app, or a clock that raises, must not make a failure of the request.
        with suppress(Exception):
            self._logger.warning(message, *details, exc_info=exc_info)
