"""The id by which the log lines of one request are found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar

DEFAULT_HEADER = "x-request-id"

# Long enough for every tracing header in use, short enough to stand on each log line.
_MAX_LENGTH = 255

# Of the digit that holds a UUID's variant two bits are set, the others are random.
_VARIANT = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

#: The id of the request being served. It keeps the last value of its thread between requests, so
#: that a server's access line, written after the request, still finds it.
request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)


def get_or_generate_request_id(headers: Mapping[str, str], header_name: str | None = None) -> str:
    """The caller's request id, or a new UUID.

    A caller's id that is not printable ASCII, or longer than 255 characters, is not taken: it would
    go into every log line of the request.

    :param headers: the request's headers.
    :param header_name: where the id stands; default ``X-Request-ID``.

    .. versionadded:: 1.0
    """
    given = headers.get(header_name or DEFAULT_HEADER, "")
    return given if given and is_usable(given) else new_request_id()


def is_usable(given: str) -> bool:
    """Whether a caller's id may go into log lines."""
    return len(given) <= _MAX_LENGTH and given.isascii() and given.isprintable()


def new_request_id() -> str:
    """A UUID of version 4, spelt without the detour over :class:`uuid.UUID`: it is made for each
    request, and the detour costs four times as much."""
    digits = os.urandom(16).hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
