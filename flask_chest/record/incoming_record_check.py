"""Checks the fields of a record that comes from outside: an import, a relay or a dead letter.

Capture cannot make a record beyond these bounds. One that is could stop a store, its retention or
the dashboard's pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from .json_line import EPOCH, FIELDS, from_microseconds
from .record import Record
from .redaction import Redaction
from .value_normalizer import Normalizer

_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
# In characters.
_MAX_LENGTHS = {
    "request_id": 255,
    "trace_id": 32,
    "method": 16,
    "kind": 16,
    **dict.fromkeys(("route", "endpoint", "blueprint", "error"), 4096),
}
_REQUIRED = ("id", "time")
# Stores that keep nanoseconds in 64 bits end in April of this year.
_MAX_TIME = datetime(2262, 1, 1, tzinfo=timezone.utc)
# The least and the greatest value. Sums over many records must stay finite and exact.
_RANGES: Mapping[str, tuple[float, float]] = {
    "status": (0, 999),
    "duration_ms": (0, 1e12),
    "sample_rate": (1e-9, 1),
    "bytes_sent": (0, 2**53),
}
_INTEGERS = ("status", "bytes_sent")
_DOCUMENTS = ("vars", "tags")
# A page shows all variables of a record: 200,000 of them took 25 seconds. A captured record of the
# default size has fewer.
_MAX_ENTRIES = 10_000
# Fields that may not be null.
_NOT_NULL = ("kind", "request_id", "sample_rate", *_DOCUMENTS)
# Bytes of one variable. The app that captured it had a limit of its own.
_normalizer = Normalizer(Redaction(()), 1024 * 1024)


def to_checked_record(values: Mapping[str, Any]) -> Record:
    """Return the record of a mapping from outside. Keys of later versions are ignored.

    :param values: field names and plain values; the time is a number of microseconds since 1970 or
        ISO 8601.
    :raises ValueError: a field is missing or beyond its bounds; the message does not quote it.
    """
    for name in _REQUIRED:
        if name not in values:
            raise ValueError(f"{name!r} is missing")
    known = {name: values[name] for name in FIELDS if name in values}
    known["time"] = _time(known["time"])
    if not isinstance(known["id"], str) or not _ID.fullmatch(known["id"]):
        raise ValueError("'id' is none; expected 1 to 32 letters and digits")
    for name in _NOT_NULL:
        if name in known and known[name] is None:
            raise ValueError(f"{name!r} is null")
    for name, value in known.items():
        if value is not None and name in _CHECKS:
            _CHECKS[name](name, value)
    for name in _DOCUMENTS:
        known[name] = _normalizer.normalize(known.get(name, {}))
    return Record(**known)


def _time(value: object) -> datetime:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            time = from_microseconds(value)
        elif isinstance(value, str):
            time = datetime.fromisoformat(value.replace("Z", "+00:00"))
            time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        else:
            raise ValueError
        if EPOCH <= time < _MAX_TIME:
            return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        "'time' is no time; expected ISO 8601 or microseconds since 1970, from 1970 to 2261"
    )


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is of type {type(value).__name__}; expected text")
    if len(value) > _MAX_LENGTHS[name]:
        raise ValueError(f"{name!r} is too long; expected at most {_MAX_LENGTHS[name]} characters")
    if "\0" in value:
        raise ValueError(f"{name!r} contains a NUL")


def _check_number(name: str, value: object) -> None:
    kinds = (int,) if name in _INTEGERS else (int, float)
    if type(value) not in kinds:
        raise ValueError(f"{name!r} is of type {type(value).__name__}; expected a number")
    least, most = _RANGES[name]
    if not least <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{name!r} is out of range; expected {least:g} to {most:g}")


def _check_boolean(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} is of type {type(value).__name__}; expected true or false")


def _check_document(name: str, value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} is of type {type(value).__name__}; expected an object")
    if len(value) > _MAX_ENTRIES:
        raise ValueError(f"{name!r} has too many entries; expected at most {_MAX_ENTRIES:,}")


_CHECKS: Mapping[str, Callable[[str, object], None]] = {
    **dict.fromkeys(_MAX_LENGTHS, _check_text),
    **dict.fromkeys(_RANGES, _check_number),
    **dict.fromkeys(_DOCUMENTS, _check_document),
    "disconnected": _check_boolean,
}
