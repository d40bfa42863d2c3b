"""Writes and reads records as NDJSON: one JSON object per line."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import orjson

from ..errors import QueryError
from ..record.encoding import EPOCH, FIELDS, from_microseconds
from ..record.printable import escape_json
from ..record.record import Record
from .intervals import to_utc

_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_MAX_LENGTHS = {"request_id": 255, "trace_id": 32, "method": 16, "kind": 16}
_UNBOUNDED_TEXTS = ("route", "endpoint", "blueprint", "error")
_NUMBERS = ("duration_ms", "sample_rate")
_REQUIRED = ("id", "time")


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
    for name in _REQUIRED:
        if name not in values:
            raise QueryError(f"{name!r} is missing")
    known = {name: values[name] for name in FIELDS if name in values}
    known["time"] = _time(known["time"])
    _check(known)
    return Record(**known)


def _time(value: object) -> datetime:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return from_microseconds(value)
        if isinstance(value, str):
            time = datetime.fromisoformat(value.replace("Z", "+00:00"))
            time = to_utc(time)
            if time >= EPOCH:
                return time
    except (ValueError, OverflowError):
        pass
    raise QueryError(
        "'time' is no time; expected ISO 8601 or microseconds since 1970, not before 1970"
    )


def _check(values: dict[str, Any]) -> None:
    if not isinstance(values["id"], str) or not _ID.fullmatch(values["id"]):
        raise QueryError("'id' is none; expected 1 to 32 letters and digits")
    for name, limit in _MAX_LENGTHS.items():
        _expect(name, values, lambda value, limit=limit: _is_text(value) and len(value) <= limit)
    for name in _UNBOUNDED_TEXTS:
        _expect(name, values, _is_text)
    for name in _NUMBERS:
        _expect(name, values, _is_number)
    for name in ("status", "bytes_sent"):
        _expect(name, values, lambda value: type(value) is int)
    _expect("disconnected", values, lambda value: isinstance(value, bool))
    for name in ("vars", "tags"):
        _expect(name, values, lambda value: isinstance(value, dict))
        if values.get(name, {}) is None:
            raise QueryError(f"{name!r} is not what it should be; expected an object")
    rate = values.get("sample_rate", 1.0)
    if rate is None or not 0 < rate <= 1:
        raise QueryError("'sample_rate' must be above 0 and at most 1")


def _expect(name: str, values: dict[str, Any], check: Any) -> None:
    value = values.get(name)
    if value is not None and not check(value):
        raise QueryError(f"{name!r} is not what it should be: {type(value).__name__}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
