"""Finds torn and damaged records in a segment, and the next whole record behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .record_framing import ALL_CHESTS, HEADER_BYTES, Frame, unpack

_HEADER = re.compile(rb"[0-9a-f]{22} \{")


def iter_frames(data: bytes, start: int = 0) -> Iterator[Frame]:
    """Yield the frames of a segment; a damaged stretch is a frame without a line.

    An incomplete frame at the end is not yielded, since the writer may still complete it.

    :param start: the offset of the first frame.
    """
    while start < len(data):
        frame = unpack(data, start) or _damage_at(data, start)
        if frame is None:
            return
        yield frame
        start = frame.end


def _damage_at(data: bytes, start: int) -> Frame | None:
    """Return one damaged record as a frame; ``None`` if no whole record follows."""
    claimed = _claimed_end(data, start)
    first = None
    for match in _HEADER.finditer(data, start + 1):
        # The next record may be damaged, too. If this record's length is intact, the two are
        # counted as two.
        if first is None and match.start() == claimed:
            first = claimed
        if unpack(data, match.start()):
            return Frame(None, ALL_CHESTS, first or match.start())
    return None


def _claimed_end(data: bytes, start: int) -> int:
    """Return where the record ends according to its header, which may be damaged."""
    try:
        return start + HEADER_BYTES + int(data[start + 8 : start + 14], 16) + 1
    except ValueError:
        return -1
