"""One frozen record: what a request, a command or a job leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..typing import Kind, Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one request left behind.

    :param id: 32 hexadecimal digits, a UUID of version 7 (`RFC 9562
        <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7>`_): later records sort later.
    :param time: when the request began, UTC, exact to the microsecond.
    :param kind: ``"request"``, ``"command"`` or ``"job"``.
    :param request_id: the caller's id, the generator's, or the record's own.
    :param trace_id: the trace of a W3C ``traceparent`` header, 32 hexadecimal digits.
    :param method: the HTTP method; one that HTTP does not know is ``"_OTHER"``.
    :param route: the URL rule as the app writes it; ``None`` where none matched.
    :param endpoint: Flask's endpoint, or the command's name.
    :param blueprint: the blueprint's full name.
    :param status: the HTTP status; ``None`` where no answer was given.
    :param duration_ms: milliseconds from the first byte of the request seen to the end.
    :param error: the class of the exception that ended it, e.g. ``"KeyError"``. Never its text,
        which may hold what nobody meant to store.
    :param vars: the tracked variables, in the order in which they were tracked.
    :param tags: the constant tags of the app.
    :param sample_rate: the share of such requests that is kept; count a record as ``1 / rate``.
    :param bytes_sent: bytes of a streamed body; ``None`` where the body was not streamed.
    :param disconnected: the client left before a streamed body had ended; ``None`` likewise.

    .. versionadded:: 1.0
    """

    id: str
    time: datetime
    kind: Kind = "request"
    request_id: str = ""
    trace_id: str | None = None
    method: str | None = None
    route: str | None = None
    endpoint: str | None = None
    blueprint: str | None = None
    status: int | None = None
    duration_ms: float | None = None
    error: str | None = None
    vars: Mapping[str, Plain] = field(default_factory=dict)
    tags: Mapping[str, Plain] = field(default_factory=dict)
    sample_rate: float = 1.0
    bytes_sent: int | None = None
    disconnected: bool | None = None
