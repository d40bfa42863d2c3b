"""Parses one record in a segment: checksum, length, chest mask, JSON line.

``<crc32: 8 hex digits><length: 6><mask: 8> <line of JSON>\\n``

The mask has one bit per chest that receives the record. The checksum covers line and mask. A line
has no raw newline, so that a reader finds the next record after damage, and only the damaged
records are lost. The format is text, so that people can read a journal with ordinary tools.
Records are written by ``SegmentAppender`` in ``flask_chest._speedups``.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

#: The first line of each segment. A different first line means a different version.
MAGIC = b"flask-chest journal 1\n"

#: A mask has 32 bits.
MAX_CHESTS = 32

#: The mask of all chests.
ALL_CHESTS = 2**MAX_CHESTS - 1

#: The size of a frame's header: 8 + 6 + 8 hex digits and a space.
HEADER_BYTES = 23

_NEWLINE = 10


class Frame(NamedTuple):
    """One record in a segment, or a damaged stretch.

    :param line: the encoded record; ``None`` if the bytes are damaged.
    :param mask: the chests that receive it; all chests for damage, since its mask is unknown.
    :param end: the offset of the next frame.
    """

    line: bytes | None
    mask: int
    end: int


def unpack(data: bytes, start: int) -> Frame | None:
    """Return the record at an offset; ``None`` if it is incomplete or damaged."""
    try:
        header = int(data[start : start + 22], 16)
    except ValueError:
        return None
    body = start + HEADER_BYTES
    end = body + (header >> 32 & 0xFFFFFF)
    # Checked before the checksum, which takes long if a damaged length is huge.
    if data[end : end + 1] != b"\n":
        return None
    line, mask = data[body:end], header & ALL_CHESTS
    if crc32(line, mask) != header >> 56:
        return None
    return Frame(line, mask, end + 1)


def unpack_lines(data: bytes, start: int, chest: int, limit: int) -> tuple[list[bytes], int]:
    """Return undamaged records for one chest, three times as fast as :func:`unpack`.

    :param start: the offset of the first frame.
    :param chest: the chest's bit, as a mask.
    :param limit: the maximum number of lines.
    :returns: the lines, and the offset of the first frame that was not read: at the limit, at the
        end, or at an incomplete or damaged record.
    """
    lines: list[bytes] = []
    length = len(data)
    while start < length and len(lines) < limit:
        try:
            header = int(data[start : start + 22], 16)
        except ValueError:
            break
        body = start + HEADER_BYTES
        end = body + (header >> 32 & 0xFFFFFF)
        if end >= length or data[end] != _NEWLINE:
            break
        line, mask = data[body:end], header & ALL_CHESTS
        if crc32(line, mask) != header >> 56:
            break
        if mask & chest:
            lines.append(line)
        start = end + 1
    return lines, start
