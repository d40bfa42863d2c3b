"""How one record lies in a journal: a checksum, a length, its chests, its line.

``<crc32: 8 hex digits><length: 6><mask: 8> <line of JSON>\\n``

The mask has a bit for each chest that is to get the record. The checksum covers line and mask. A
line holds no raw newline, so after damage the next record is found again, and only what was damaged
is lost. It is text, so that people can read a journal with the tools they know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

#: The first line of every segment; another first line is another version.
MAGIC = b"flask-chest journal 1\n"

#: A mask has 32 bits.
MAX_CHESTS = 32

_NEWLINE = 10
_HEAD = 23  # 8 + 6 + 8 hex digits and a space
_HEADER = re.compile(rb"[0-9a-f]{22} \{")


class Frame(NamedTuple):
    """One record in a journal, or a damaged stretch of it.

    :param line: the encoded record; ``None`` where the bytes are damaged.
    :param mask: the chests that get it; all of them for a damaged one, whose mask is unknown.
    :param end: where the next frame begins.
    """

    line: bytes | None
    mask: int
    end: int


ALL_CHESTS = 2**MAX_CHESTS - 1


def pack(line: bytes, mask: int) -> bytes:
    """The bytes of one record."""
    return b"%08x%06x%08x %b\n" % (crc32(line, mask), len(line), mask, line)


def unpack(data: bytes, start: int = 0) -> Iterator[Frame]:
    """The frames of a stretch of a journal, from ``start`` on.

    A last frame that is not whole is not yielded: more of it may still come.
    """
    while start < len(data):
        frame = _whole(data, start) or _damaged(data, start)
        if frame is None:
            return
        yield frame
        start = frame.end


def whole_lines(data: bytes, start: int, chest: int, limit: int) -> tuple[list[bytes], int]:
    """What :func:`unpack` gives for one chest, where nothing is damaged, in a third of the time.

    :param chest: the chest's bit, as a mask.
    :param limit: lines at most.
    :returns: the lines, and where it stopped: at the limit, at the end, or at what is not whole.
    """
    lines: list[bytes] = []
    length = len(data)
    while start < length and len(lines) < limit:
        try:
            head = int(data[start : start + 22], 16)
        except ValueError:
            break
        body = start + _HEAD
        end = body + (head >> 32 & 0xFFFFFF)
        if end >= length or data[end] != _NEWLINE:
            break
        line, mask = data[body:end], head & ALL_CHESTS
        if crc32(line, mask) != head >> 56:
            break
        if mask & chest:
            lines.append(line)
        start = end + 1
    return lines, start


def _whole(data: bytes, start: int) -> Frame | None:
    try:
        head = int(data[start : start + 22], 16)
    except ValueError:
        return None
    body = start + _HEAD
    end = body + (head >> 32 & 0xFFFFFF)
    # Asked first: a checksum over a length that is nonsense may take long.
    if data[end : end + 1] != b"\n":
        return None
    line, mask = data[body:end], head & ALL_CHESTS
    if crc32(line, mask) != head >> 56:
        return None
    return Frame(line, mask, end + 1)


def _damaged(data: bytes, start: int) -> Frame | None:
    """One lost record, up to the next frame; ``None`` where no whole one follows."""
    claimed = _claimed_end(data, start)
    first = None
    for match in _HEADER.finditer(data, start + 1):
        # The next may be damaged as well: it is told apart where this one's length still holds.
        if first is None and match.start() == claimed:
            first = claimed
        if _whole(data, match.start()):
            return Frame(None, ALL_CHESTS, first or match.start())
    return None


def _claimed_end(data: bytes, start: int) -> int:
    try:
        return start + _HEAD + int(data[start + 8 : start + 14], 16) + 1
    except ValueError:
        return -1
