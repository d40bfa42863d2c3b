"""Lines on their way to a backend: cut into bodies, and freed of what none of them can take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..errors import RejectedError
from ..record.encoding import Batch, encode, made_at
from ..record.record import Record

# NUL as JSON writes it: an odd number of backslashes before "u0000".
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_NUL_PICTURE = rb"\1" + "\u2400".encode()


def lines_of(records: Sequence[Record]) -> Sequence[bytes]:
    """The lines of a batch.

    :raises RejectedError: records made by hand hold values that JSON cannot carry.
    """
    if isinstance(records, Batch):
        return records.lines
    try:
        return [encode(record) for record in records]
    except TypeError as error:
        reason = f"not a plain value: {error}"
        raise RejectedError(reason, record_ids=blamed_ids(records)) from None


def blamed_ids(records: Sequence[Record]) -> list[str] | None:
    """Return the ids for a ``RejectedError`` if a store refused a batch as a whole.

    Only a batch of one record is known to be the bad one; ``None`` has delivery halve a longer one.
    """
    return [records[0].id] if len(records) == 1 else None


def oldest_of(records: Sequence[Record]) -> float:
    """The time of the oldest record of a batch: seconds since 1970."""
    if isinstance(records, Batch):
        # A line begins with the id, and that with the time: none but one need be decoded.
        return made_at(min(records.lines)) / 1_000_000
    return min(record.time for record in records).timestamp()


def without_nul(body: bytes) -> bytes:
    """Replace each NUL in JSON by its picture, U+2400, as capture does: few databases take it."""
    if rb"\u0000" not in body:
        return body
    return _NUL.sub(_NUL_PICTURE, body)


def json_bodies(records: Sequence[Record], limit: int) -> Iterator[bytes]:
    """The batch as JSON arrays of at most ``limit`` bytes each, at least one record in each."""
    for part in parts_of(lines_of(records), limit):
        yield without_nul(b"[" + b",".join(part) + b"]")


def parts_of(lines: Sequence[bytes], limit: int) -> Iterator[Sequence[bytes]]:
    """Consecutive lines of at most ``limit`` bytes together."""
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
