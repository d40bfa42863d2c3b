"""One file of a journal, open for appending."""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..._speedups import speed
from ..durable_files import write_whole
from .framing import MAGIC, pack


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


class Segment(Tape):
    """One file of records, open for appending.

    It is closed when nobody holds it any more, so that a thread which is about to write to it can
    never find its descriptor closed, or given to another file. While it is open it is locked
    (shared), which tells readers that more may come.

    :param path: the file, which must not be there yet.
    :param number: its number in its folder.
    :param limit: bytes from which on it is full.
    :raises OSError: it cannot be made.
    """

    __slots__ = ("number",)

    def __init__(self, path: Path, number: int, limit: int) -> None:
        self.number = number
        self.size = 0
        self.limit = limit
        self.full = False
        self.counts = defaultdict(int)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self.descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_SH)
            write_whole(self.descriptor, MAGIC)
            self.size = len(MAGIC)
        except OSError:
            self.close()
            with suppress(OSError):
                path.unlink()
            raise

    def read(self) -> bytes:
        """Everything in it, which works even when its file was removed."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        os.fdatasync(self.descriptor)

    def close(self) -> None:
        """Close it; only where no other thread can be about to write."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # A constructor that failed has left no descriptor.
        if hasattr(self, "descriptor"):
            self.close()
