"""Reads a page: the next records for one chest, from one segment or the next."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from .damaged_records import iter_frames
from .record_framing import unpack_lines

CHUNK_BYTES = 1024 * 1024


class PageReader:
    """Collects the next records for one chest.

    :param mask: the chest's bit.
    :param position: the segment and offset to start from.
    :param limit: the maximum number of records.
    """

    def __init__(self, mask: int, position: tuple[int, int], limit: int) -> None:
        self.position = position
        self.lines: list[bytes] = []
        self.damaged = 0
        self._mask = mask
        self._limit = limit

    @property
    def full(self) -> bool:
        """Whether the page has ``limit`` records."""
        return len(self.lines) >= self._limit

    def read_segment(self, path: Path, final: bool) -> bool | None:
        """Read the next chunk of the segment.

        :param final: whether no process writes to the segment any more.
        :returns: whether there may be more to read; ``None`` at the end of a final segment.
        """
        data = read_chunk(path, self.position[1])
        if data is None:
            return None
        if self._parse(data) or self._parse_long_damage(path, data):
            return True
        if not final:
            return False
        if data:
            # A torn record, which its writer never completed, or damage up to the end.
            self.damaged += 1
            self.position = (self.position[0], path.stat().st_size)
        return None

    def _parse(self, data: bytes) -> bool:
        """Take frames from a chunk; ``False`` if it has no whole frame."""
        number, offset = self.position
        end = 0
        while not self.full:
            lines, end = unpack_lines(data, end, self._mask, self._limit - len(self.lines))
            self.lines += lines
            damaged = None if self.full else next(iter_frames(data, end), None)
            if damaged is None:
                break
            self.damaged += 1
            end = damaged.end
        self.position = (number, offset + end)
        return end > 0

    def _parse_long_damage(self, path: Path, data: bytes) -> bool:
        """Look behind a damaged stretch that is longer than a chunk."""
        size = CHUNK_BYTES
        while len(data) == size:
            size *= 2
            data = read_chunk(path, self.position[1], size) or b""
            if self._parse(data):
                return True
        return False


def read_chunk(path: Path, offset: int, size: int = CHUNK_BYTES) -> bytes | None:
    """Return some bytes of a file; ``None`` if the file does not exist."""
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)
    except FileNotFoundError:
        return None


def is_final(path: Path) -> bool:
    """Return whether no process has a segment open for writing.

    A writer holds a lock on its segments, after its death until its last request is over.
    """
    try:
        try:
            return _lock(path, "rb")
        except OSError as error:
            # NFS: https://man7.org/linux/man-pages/man2/flock.2.html#NOTES
            if error.errno != errno.EBADF:
                raise
            return _lock(path, "r+b")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _lock(path: Path, mode: str) -> bool:
    with path.open(mode) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
