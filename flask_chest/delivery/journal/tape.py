"""A file that only grows, and what was put on it: one ``os.write`` per record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..._speedups import speed
from .framing import pack


class Tape:
    """An open file to which records are appended, and counted."""

    __slots__ = ("counts", "descriptor", "full", "limit", "size")

    descriptor: int
    #: Bytes that were written.
    size: int
    #: Bytes from which on it is full.
    limit: int
    full: bool
    #: Its records by mask. Changed without a lock: under the GIL, no switch falls into "+=".
    counts: dict[int, int]

    def append(self, line: bytes, mask: int) -> bool:
        """Hand one record to the kernel; ``False`` where only a part of it was taken.

        :raises OSError: nothing was taken.
        """
        frame = pack(line, mask)
        written = os.write(self.descriptor, frame)
        self.size += written
        self.full = self.size >= self.limit
        if written != len(frame):
            return False
        self.counts[mask] += 1
        return True


if not TYPE_CHECKING and speed is not None:
    Tape = speed.Tape
