"""Encodes a record as one line of JSON, and decodes lines.

A record is encoded once, in the request thread; later steps pass the line on. The keys of a line
are the field names of :class:`~flask_chest.Record`. They are also the column names of the SQL
stores, so that a database can take a batch as one JSON document. ``time`` is an integer:
microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from .record import Record

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_MICROSECOND = timedelta(microseconds=1)

FIELDS = tuple(field.name for field in fields(Record))

_VARYING = ("id", "time", "request_id", "duration_ms", "vars", "status")

#: The fields in the order of a line. Fields that differ between records of one route come first;
#: the others are encoded once for all records of the route.
ORDER = (*_VARYING, *(name for name in FIELDS if name not in _VARYING))

#: The bytes before the status. The end of a line, which records of one route share, follows it.
SHARED = b',"status":'

# A record never holds a raw newline: JSON escapes it, so one line is one record.
dumps = orjson.dumps

loads = orjson.loads


def to_microseconds(time: datetime) -> int:
    """Return the microseconds since 1970 UTC, exactly; ``timestamp()`` would round."""
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the UTC time of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def encode(record: Record) -> bytes:
    """Return a record as one line of JSON, without the newline.

    :raises TypeError: a value is not plain. Records of requests only have plain values.
    """
    values: dict[str, Any] = {name: getattr(record, name) for name in ORDER}
    values["time"] = to_microseconds(record.time)
    return dumps(values)


def made_at(line: bytes) -> int:
    """Return the time of an encoded record, in microseconds since 1970 UTC."""
    return int(loads(line)["time"])


def decode(line: bytes) -> Record:
    """Return the record of an encoded line; keys of a later version are ignored."""
    return from_mapping(loads(line))


def from_mapping(values: Mapping[str, Any]) -> Record:
    """Return the record of a decoded line."""
    known = {name: values[name] for name in FIELDS if name in values}
    known["time"] = from_microseconds(known["time"])
    return Record(**known)
