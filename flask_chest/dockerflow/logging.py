"""Formats log records as mozlog 2.0: one line of JSON each.

See https://github.com/mozilla-services/Dockerflow/blob/main/docs/mozlog.md
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import traceback
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

from .mozlog_request_id import get_or_generate_request_id, request_id_context
from .safe_json import safe_repr, safe_str, to_line, to_plain

__all__ = [
    "JsonLogFormatter",
    "MozlogFormatter",
    "MozlogHandler",
    "RequestIdLogFilter",
    "get_or_generate_request_id",
    "request_id_context",
    "safer_format_traceback",
]

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # takes no parameter before Python 3.11

# Values of these types need no conversion. Not float, because NaN is a float.
_PLAIN = frozenset((str, int, bool))

_A_RECORD = vars(logging.LogRecord("", 0, "", 0, "", (), None))
_OWN_ATTRIBUTES = len(_A_RECORD)


class MozlogFormatter(logging.Formatter):
    """Formats a record as one line of mozlog 2.0.

    ``Fields`` has the values of ``extra=``, the message as ``msg`` and, for a logged exception,
    ``error`` and ``traceback``. Values that JSON does not support are written as their ``repr``.
    ``None`` is left out, since mozlog has no null.

    :param logger_name: the ``Logger`` of each line: the service's name.

    .. versionadded:: 1.0
    """

    LOGGING_FORMAT_VERSION = "2.0"

    #: Python's level -> syslog's severity.
    SYSLOG_LEVEL_MAP: ClassVar[dict[int, int]] = {
        logging.CRITICAL: 2,
        logging.ERROR: 3,
        logging.WARNING: 4,
        logging.INFO: 6,
        logging.DEBUG: 7,
    }

    #: The severity of any other level.
    DEFAULT_SYSLOG_LEVEL = 7

    #: The attributes of every log record; all others are fields.
    EXCLUDED_LOGRECORD_ATTRS: ClassVar[set[str]] = {
        *_A_RECORD,
        "asctime",
        "logger_name",
        "message",
        "taskName",
    }

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = "Dockerflow",
    ) -> None:
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)
        self.logger_name = logger_name
        self.hostname = socket.gethostname()

    def is_value_jsonlike(self, value: str) -> bool:
        """Return whether a message looks like a JSON object; ``Fields`` then leaves it out."""
        return value.startswith("{") and value.endswith("}")

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the record as the dict that :meth:`format` writes. Override it to add entries."""
        return {
            "Timestamp": int(record.created * 1e9),
            "Type": record.name,
            "Logger": getattr(record, "logger_name", self.logger_name),
            "Hostname": self.hostname,
            "EnvVersion": self.LOGGING_FORMAT_VERSION,
            "Severity": self.SYSLOG_LEVEL_MAP.get(record.levelno, self.DEFAULT_SYSLOG_LEVEL),
            "Pid": record.process or os.getpid(),
            "Fields": self._fields(record),
        }

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON in ASCII, without a newline at its end."""
        return to_line(self.convert_record(record))

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        attributes = vars(record)
        # LogRecord sets its own attributes first, starting with "name": skip them all at once.
        own = _OWN_ATTRIBUTES if next(iter(attributes), None) == "name" else 0
        fields = dict(islice(attributes.items(), own, None))
        fields.pop("logger_name", None)
        excluded = self.EXCLUDED_LOGRECORD_ATTRS
        if not (_PLAIN.issuperset(map(type, fields.values())) and excluded.isdisjoint(fields)):
            fields = {
                key: value if type(value) in _PLAIN else to_plain(value)
                for key, value in fields.items()
                if key not in excluded and value is not None
            }
        message = _message(record)
        if message and not self.is_value_jsonlike(message):
            fields["msg"] = message
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = safe_repr(record.exc_info[1])
            fields["traceback"] = safer_format_traceback(*record.exc_info)
        if not fields:
            fields["msg"] = message  # mozlog requires at least one field
        return fields


class JsonLogFormatter(MozlogFormatter):
    """The older name of :class:`MozlogFormatter`.

    .. versionadded:: 1.0
    """


class MozlogHandler(_StreamHandler):
    """Writes mozlog lines to a stream.

    :param stream: the stream; default ``sys.stdout``.
    :param name: the ``Logger`` of each line: the service's name.

    .. versionadded:: 1.0
    """

    def __init__(self, stream: TextIO | None = None, name: str = "Dockerflow") -> None:
        super().__init__(sys.stdout if stream is None else stream)
        self.logger_name = name
        self.setFormatter(MozlogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, with this handler's name as its ``Logger``."""
        record.logger_name = self.logger_name
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as in every handler: logging must not stop the program
            self.handleError(record)


class RequestIdLogFilter(logging.Filter):
    """Sets ``rid`` on each log record: the id of the current request.

    .. versionadded:: 1.0
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Accept every record; outside of requests, keep a ``rid`` that it already has."""
        request_id = request_id_context.get()
        if request_id is not None or not hasattr(record, "rid"):
            record.rid = request_id
        return True


def safer_format_traceback(
    exc_typ: type[BaseException] | None,
    exc_val: BaseException | None,
    exc_tb: TracebackType | None,
) -> str:
    """Return a traceback that has the exception's ``repr`` instead of its text.

    An exception's text may come from a request, and its newlines must not look like log lines.

    .. versionadded:: 1.0
    """
    return "".join(
        (
            "Uncaught exception:\n",
            *traceback.format_tb(exc_tb),
            f"{safe_repr(exc_typ)}\n",
            f"{safe_repr(exc_val)}\n",
        )
    )


def _message(record: logging.LogRecord) -> str:
    """Return the record's message, also if the log call had wrong arguments."""
    if type(record.msg) is str and not record.args:
        return record.msg
    try:
        return str(record.getMessage())
    except Exception:  # noqa: BLE001 - the arguments' __str__ may raise anything
        return f"{safe_str(record.msg)} {safe_repr(record.args)}"
