"""Ids of records and requests."""

from __future__ import annotations

import re

from .._speedups import IdMaker

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

#: Characters of a request id that the app generates; a longer one is cut.
MAX_REQUEST_ID = 255

#: Makes the ids of this process' records.
record_ids = IdMaker()


def validate_request_id(header: str) -> str | None:
    """Return a caller's request id if it is safe to log, store and send back, else ``None``."""
    return header if _REQUEST_ID.fullmatch(header) else None


def normalize_request_id(generated: object) -> str:
    """Return the result of an app's request id generator as text of at most 255 characters."""
    return str(generated)[:MAX_REQUEST_ID]
