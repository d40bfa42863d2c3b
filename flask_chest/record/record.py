"""The record of one request, command or job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..typing import Kind, Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of one request, command or job.

    :param id: 32 hexadecimal digits, a UUID of version 7 (`RFC 9562
        <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7>`_): later records sort later.
    :param time: start of the request, in UTC with microseconds.
    :param kind: ``"request"``, ``"command"`` or ``"job"``.
    :param request_id: the id that the caller sent, else the id from the app's generator, else the
        id of the record.
    :param trace_id: the trace id of a W3C ``traceparent`` header, 32 hexadecimal digits.
    :param method: the HTTP method; ``"_OTHER"`` for a method that HTTP does not define.
    :param route: the URL rule as the app writes it; ``None`` if no rule matched.
    :param endpoint: Flask's endpoint, or the name of the command.
    :param blueprint: the full name of the blueprint.
    :param status: the HTTP status; ``None`` without a response.
    :param duration_ms: milliseconds that the request took; for a streamed body until it was closed.
    :param error: the class of the exception that ended the request, e.g. ``"KeyError"``. The text
        of the exception is not stored: it may contain private data.
    :param vars: the tracked variables, in the order in which they were tracked.
    :param tags: the constant tags of the app.
    :param sample_rate: the fraction of such requests that is kept, from 0 to 1; count each record
        as ``1 / sample_rate`` requests.
    :param bytes_sent: bytes sent of a streamed body; ``None`` if the body was not streamed.
    :param disconnected: whether the client disconnected before the end of a streamed body;
        ``None`` if the body was not streamed.

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
