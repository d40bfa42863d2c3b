"""``CHEST_LOGS``: keeps the log lines of a request or job with its record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .current_measurements import current_measurements, current_subject

# Set while a line is being formatted: the arguments of a log call may log in turn.
_formatting: ContextVar[bool] = ContextVar("flask_chest_formatting", default=False)


class LogRecordFactory:
    """Makes log records like the factory before it, and keeps those of requests.

    A handler could not do this: Flask adds its own handler only while there is no other, loggers
    that do not propagate would be missed, and :func:`logging.config.dictConfig` removes handlers.

    :param inner: the factory that was set before.
    """

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._inner(*args, **kwargs)
        subject = current_subject()
        if subject is not None:
            level = subject.recorder.details.log_level
            if level is not None and record.levelno >= level and not _formatting.get():
                _keep(record, subject)
        return record

    def is_called_by(self, factory: Callable[..., logging.LogRecord]) -> bool:
        """Return whether another factory, e.g. OpenTelemetry's, calls this one."""
        calls: list[None] = []
        inner = self._inner

        def watched(*args: Any, **kwargs: Any) -> logging.LogRecord:
            calls.append(None)
            return inner(*args, **kwargs)

        self._inner = watched
        try:
            factory("flask_chest", logging.NOTSET, "", 0, "", (), None)
        finally:
            self._inner = inner
        return bool(calls)


_installed: list[LogRecordFactory] = []


def install() -> None:
    """Set the factory, unless the current one is it or calls it."""
    current = logging.getLogRecordFactory()
    if not any(each is current or each.is_called_by(current) for each in _installed):
        made = LogRecordFactory(current)
        _installed[:] = [made]
        logging.setLogRecordFactory(made)


def _keep(record: logging.LogRecord, subject: Any) -> None:
    token = _formatting.set(True)
    try:
        measurements = current_measurements()
        if measurements is not None:
            line = f"{record.levelname} {record.name}: {_message(record)}"
            measurements.add_line(
                f"+{subject.duration_ms():.1f} ms {subject.recorder.details.clean_line(line)}"
            )
    except Exception:  # noqa: BLE001 - a log call never fails because of Flask-Chest
        pass
    finally:
        _formatting.reset(token)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments, or their __str__ raises
        return f"{record.msg!r:.200} (its arguments do not fit)"
    kind = record.exc_info[0] if record.exc_info else None
    return text if kind is None else f"{text} [{kind.__name__}]"
