"""One file of a journal, open for appending."""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from ..._speedups import SegmentAppender
from ..durable_files import write_whole
from .framing import MAGIC


class Segment(SegmentAppender):
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
