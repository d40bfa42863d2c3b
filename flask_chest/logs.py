"""Log lines that name their request: a filter for :mod:`logging`, and a structlog processor."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .capture.log_context import log_context

__all__ = ["RequestContextFilter", "add_request_context"]

_IDS = ("request_id", "trace_id")
# A variable must not replace an attribute that formatters rely on.
_OWN_ATTRIBUTES = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "asctime", "message", "taskName")
)


class RequestContextFilter(logging.Filter):
    """Sets attributes on each log record: the request's ids and its tracked variables.

    Any formatter can use them: ``%(request_id)s``, ``%(trace_id)s``, and those that print all
    further attributes, as JSON formatters do, print the variables too. Add it to handlers: a
    logger's filter does not see the lines of other loggers. Variables are redacted as in the
    record, and replace no attribute that the log record has.

    :param default: the ids of a line outside of requests and jobs, and of a request without a
        trace.
    :param variables: whether to set the tracked variables too; this collects them for each line.

    .. versionadded:: 1.0
    """

    def __init__(self, default: str | None = "-", *, variables: bool = True) -> None:
        super().__init__()
        self._default = default
        self._variables = variables

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept every record."""
        context = _safe_context()
        attributes = record.__dict__
        for name in _IDS:
            value = context.get(name)
            # Another handler's filter may have set it, in the thread that logged the line.
            if value is not None or name not in attributes:
                attributes[name] = self._default if value is None else value
        if self._variables:
            for name, value in context.items():
                if name not in attributes and name not in _OWN_ATTRIBUTES:
                    attributes[name] = value
        return True


def add_request_context(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the request's ids and its tracked variables to an event of structlog.

    A processor: ``structlog.configure(processors=[add_request_context, ...])``. Keys that the event
    has already stay as they are, and ids that do not exist are left out.

    .. versionadded:: 1.0
    """
    for name, value in _safe_context().items():
        if name not in event_dict and (value is not None or name not in _IDS):
            event_dict[name] = value
    return event_dict


def _safe_context() -> MutableMapping[str, Any]:
    try:
        return dict(log_context())
    except Exception:  # noqa: BLE001 - a log call never fails because of Flask-Chest
        return {}
