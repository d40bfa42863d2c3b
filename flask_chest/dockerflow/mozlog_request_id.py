"""Reads or generates the id that all log lines of a request have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar

DEFAULT_HEADER = "x-request-id"

# Long enough for every tracing header in use, short enough for each log line.
_MAX_LENGTH = 255

# In the digit for a UUID's variant, the upper two bits are fixed and the lower two are random.
_VARIANT = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

#: The id of the current request. It stays set after the request, because servers write their access
#: log after it.
request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)


def get_or_generate_request_id(headers: Mapping[str, str], header_name: str | None = None) -> str:
    """Return the caller's request id, or a new UUID.

    An id that is not printable ASCII or is longer than 255 characters is ignored, because every log
    line of the request would have it.

    :param headers: the request's headers.
    :param header_name: the header with the id; default ``X-Request-ID``.

    .. versionadded:: 1.0
    """
    given = headers.get(header_name or DEFAULT_HEADER, "")
    return given if given and is_usable(given) else new_request_id()


def is_usable(given: str) -> bool:
    """Return whether a caller's id may go into log lines."""
    return len(given) <= _MAX_LENGTH and given.isascii() and given.isprintable()


def new_request_id() -> str:
    """Return a UUID of version 4; :func:`uuid.uuid4` takes four times as long, for each request."""
    digits = os.urandom(16).hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
