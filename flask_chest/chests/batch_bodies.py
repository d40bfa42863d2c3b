"""Prepares a batch for a store: encoded lines, request bodies of limited size, no NUL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..errors import RejectedError
from ..query.time_intervals import HOUR, floor_to
from ..record.batch import Batch, encoded_lines
from ..record.json_line import made_at
from ..record.record import Record
from ..record.text_cleaning import replace_nul
from ..typing import ContextTuple


def to_lines(records: Sequence[Record]) -> Sequence[bytes]:
    """Return the encoded line of each record.

    :raises RejectedError: a record that was made by hand has a value that JSON cannot represent.
    """
    try:
        return encoded_lines(records)
    except TypeError as error:
        reason = f"not a plain value: {error}"
        raise RejectedError(reason, record_ids=blamed_ids(records)) from None


def blamed_ids(records: Sequence[Record]) -> list[str] | None:
    """Return the ids for a ``RejectedError`` if a store refused a batch as a whole.

    Only a batch of one record is known to be the bad one; ``None`` has delivery halve a longer one.
    """
    return [records[0].id] if len(records) == 1 else None


def oldest_time(records: Sequence[Record]) -> float:
    """Return the time of the oldest record of a batch: seconds since 1970."""
    if isinstance(records, Batch):
        # A line begins with the id, and the id with the time, so only one line is decoded.
        return made_at(min(records.lines)) / 1_000_000
    return min(record.time for record in records).timestamp()


def hours_before(records: Sequence[Record], end: int) -> list[int]:
    """Return the starts of the hours of a batch that are over at a given time.

    :param end: seconds since 1970, UTC.
    :returns: seconds since 1970, in order.
    """
    if isinstance(records, Batch):
        times = [made_at(line) // 1_000_000 for line in records.lines]
    else:
        times = [int(record.time.timestamp()) for record in records]
    return sorted({floor_to(time, HOUR) for time in times if time < end})


def json_bodies(records: Sequence[Record], limit: int) -> Iterator[bytes]:
    """Yield the batch as JSON arrays of at most ``limit`` bytes, with at least one record each."""
    for part in split_lines(to_lines(records), limit):
        yield replace_nul(b"[" + b",".join(part) + b"]")


def split_lines(lines: Sequence[bytes], limit: int) -> Iterator[Sequence[bytes]]:
    """Split lines into parts of at most ``limit`` bytes, with at least one line each."""
    if sum(map(len, lines)) <= limit:
        yield lines
        return
    start, size = 0, 0
    for index, line in enumerate(lines):
        if size + len(line) > limit and index > start:
            yield lines[start:index]
            start, size = index, 0
        size += len(line)
    yield lines[start:]


def context_tuples(records: Iterable[Record]) -> list[ContextTuple]:
    """Return a tuple ``(name, value, request_id)`` for each variable of the records."""
    return [
        (name, value, record.request_id)
        for record in records
        for name, value in record.vars.items()
    ]
