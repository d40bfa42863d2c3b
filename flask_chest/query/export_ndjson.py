"""Writes and reads records as NDJSON: one JSON object per line."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import orjson

from ..errors import QueryError
from ..record.incoming_record_check import to_checked_record
from ..record.json_line import FIELDS
from ..record.printable_text import escape_json
from ..record.record import Record


def to_mapping(record: Record) -> dict[str, Any]:
    """All fields of a record by name; the time is an ISO 8601 string in UTC."""
    values: dict[str, Any] = {name: getattr(record, name) for name in FIELDS}
    values["time"] = f"{record.time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}Z"
    return values


def to_line(record: Record) -> bytes:
    """A record as one line of JSON without the newline, which cannot control a terminal."""
    return escape_json(orjson.dumps(to_mapping(record), default=str))


def from_line(line: bytes) -> Record:
    """Parse a line written by :func:`to_line` or by the journal.

    :raises QueryError: the line is not a record; the message says why.
    """
    try:
        values = orjson.loads(line)
    except ValueError as error:
        raise QueryError(f"it is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise QueryError("expected an object with the fields of a record")
    try:
        return to_checked_record(values)
    except ValueError as error:
        raise QueryError(str(error)) from None
