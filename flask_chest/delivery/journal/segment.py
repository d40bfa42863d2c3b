"""A segment: one file of a writer's folder, open for appending."""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from ..._speedups import SegmentAppender
from ..durable_files import sync_data, write_whole
from ..file_ownership import create_file
from .record_framing import MAGIC


class Segment(SegmentAppender):
    """One file of records, open for appending.

    It is closed with the last reference to it, so that a thread that is about to append never finds
    its descriptor closed, or reused for another file. While it is open it holds a shared lock,
    which shows readers that further records may follow.

    :param path: the file, which must not exist yet.
    :param number: its number in its folder.
    :param limit: the size in bytes at which it is full.
    :raises OSError: the file cannot be created.
    """

    __slots__ = ("number",)

    def __init__(self, path: Path, number: int, limit: int) -> None:
        self.number = number
        self.size = 0
        self.limit = limit
        self.full = False
        self.counts = defaultdict(int)
        self.descriptor = create_file(path, os.O_RDWR | os.O_APPEND)
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
        """Return the whole content, also after the file was removed."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def sync(self) -> None:
        """Fsync the appended records."""
        sync_data(self.descriptor)

    def close(self) -> None:
        """Close the file. No other thread may be about to append."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # If the constructor failed in open(), there is no descriptor.
        if hasattr(self, "descriptor"):
            self.close()
