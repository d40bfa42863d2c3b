"""What an HTTP endpoint answered, read within a deadline and as far as anyone needs it."""

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

if TYPE_CHECKING:
    import requests

_ENOUGH = 64 * 1024
_QUOTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer's status, headers and the beginning of its body."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that the endpoint asks to wait; ``None`` where it says nothing."""
        return parse_retry_after(self.headers.get("Retry-After"))

    def told(self) -> str:
        """Status and the body's first words, on one line."""
        words = " ".join(self.body[:_QUOTED].decode(errors="replace").split())
        return f"it answered {self.status} {self.reason} {words}".rstrip()

    def moved_to(self) -> str:
        """The host that a redirect leads to, as a half sentence."""
        host = urlsplit(self.headers.get("Location", "")).netloc.rpartition("@")[2]
        return f" ({host})" if host else ""


def read_answer(response: requests.Response, seconds: float) -> Response:
    """Read an answer; one that does not end is let go, and so is its connection.

    :param seconds: for the whole body: a timeout of ``requests`` runs anew with each byte.
    """
    deadline = time.monotonic() + seconds
    parts: list[bytes] = []
    for part in response.iter_content(8192):
        parts.append(part)
        if sum(map(len, parts)) > _ENOUGH or time.monotonic() > deadline:
            response.close()
            break
    return Response(
        status=response.status_code,
        reason=response.reason or "",
        headers=response.headers,
        body=b"".join(parts),
    )


def parse_retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds a number or a date."""
    if value is None:
        return None
    with suppress(ValueError):
        seconds = float(value)
        # Nobody means "inf" by it, and delivery would wait for ever.
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
