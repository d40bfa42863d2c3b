"""Reads HTTP responses within a deadline, and their ``Retry-After``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..error_messages import describe_status

if TYPE_CHECKING:
    import requests

_MAX_BODY_BYTES = 64 * 1024
_MAX_QUOTED_BYTES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Status, headers and the beginning of the body of a response."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; ``None`` if it does not ask."""
        return parse_retry_after(self.headers.get("Retry-After"))

    @property
    def redirect_host(self) -> str:
        """The host that a redirect leads to, without credentials; empty if it names no host."""
        return urlsplit(self.headers.get("Location", "")).netloc.rpartition("@")[2]

    def summarize(self) -> str:
        """Return the status in our own words: the server's may quote what users typed."""
        return describe_status(self.status)

    def quote(self) -> str:
        """Return the server's own words, for the log at level DEBUG."""
        quoted = " ".join(self.body[:_MAX_QUOTED_BYTES].decode(errors="replace").split())
        return f"{self.status} {self.reason} {quoted}".rstrip()


def read_response(response: requests.Response, seconds: float) -> Response:
    """Read a response; close the connection if the body is too long or too slow.

    :param seconds: for the whole body, since the timeout of ``requests`` starts again with each
        byte.
    """
    deadline = time.monotonic() + seconds
    parts: list[bytes] = []
    for part in response.iter_content(8192):
        parts.append(part)
        if sum(map(len, parts)) > _MAX_BODY_BYTES or time.monotonic() > deadline:
            response.close()
            break
    return Response(
        status=response.status_code,
        reason=response.reason or "",
        headers=response.headers,
        body=b"".join(parts),
    )


def parse_retry_after(value: str | None) -> float | None:
    """Parse a ``Retry-After`` header, which is a number of seconds or a date.

    :returns: seconds; ``None`` if there is no header or it cannot be parsed.
    """
    if value is None:
        return None
    with suppress(ValueError):
        seconds = float(value)
        # With "inf" delivery would wait forever.
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
