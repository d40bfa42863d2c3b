"""A record is encoded once, in the request thread, to one line of JSON; later steps pass it on.

The line's keys are the field names of :class:`~flask_chest.Record`, which are also the column names
of the SQL stores, so that a batch can go to a database as one JSON document. ``time`` is an
integer: microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, overload

import orjson

from .record import Record

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
FIELDS = tuple(field.name for field in fields(Record))

_VARYING = ("id", "time", "request_id", "duration_ms", "vars", "status")
#: The fields in the order of a line: first those in which records of one route differ. What comes
#: behind is encoded once for all of them.
ORDER = (*_VARYING, *(name for name in FIELDS if name not in _VARYING))
#: What the end of a line begins with that records of one route share.
SHARED = b',"status":'

# A record never holds a raw newline: JSON escapes it, so one line is one record.
dumps = orjson.dumps
loads = orjson.loads


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 UTC; exact, where ``timestamp()`` would round."""
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The UTC time of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def encode(record: Record) -> bytes:
    """One line of JSON, without the newline.

    :raises TypeError: when a value is not plain; a record made by capture never has one.
    """
    values: dict[str, Any] = {name: getattr(record, name) for name in ORDER}
    values["time"] = to_microseconds(record.time)
    return dumps(values)


def made_at(line: bytes) -> int:
    """The time of an encoded record, in microseconds since 1970, UTC."""
    return int(loads(line)["time"])


def decode(line: bytes) -> Record:
    """The record of a line made by :func:`encode` or by capture.

    Keys of a later version are passed over.
    """
    return from_mapping(loads(line))


def from_mapping(values: Mapping[str, Any]) -> Record:
    """The record of a decoded line."""
    known = {name: values[name] for name in FIELDS if name in values}
    known["time"] = from_microseconds(known["time"])
    return Record(**known)


class Batch(Sequence[Record]):
    """Records as the lines they were encoded to; each is decoded only when it is looked at.

    :param lines: encoded records, one JSON object each.

    .. versionadded:: 1.0
    """

    __slots__ = ("lines",)

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Batch: ...

    def __getitem__(self, index: int | slice) -> Record | Batch:
        if isinstance(index, slice):
            return Batch(self.lines[index])
        return decode(self.lines[index])

    def __iter__(self) -> Iterator[Record]:
        return map(decode, self.lines)


def encoded_lines(records: Sequence[Record]) -> Sequence[bytes]:
    """The lines of records, without decoding and encoding them again where that is not needed.

    :param records: a batch, as :meth:`flask_chest.Chest.write` gets it, or any records.
    :raises TypeError: a record that was made by hand holds a value that JSON cannot carry.

    .. versionadded:: 1.0
    """
    if isinstance(records, Batch):
        return records.lines
    return [encode(record) for record in records]


def json_array(records: Sequence[Record]) -> bytes:
    """A whole batch as one JSON array: what many databases take as one parameter.

    :param records: as for :func:`encoded_lines`, which it may raise the error of.

    .. versionadded:: 1.0
    """
    return b"[" + b",".join(encoded_lines(records)) + b"]"
