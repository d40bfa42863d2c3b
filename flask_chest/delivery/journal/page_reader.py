"""A page that is being filled from one segment."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .framing import unpack, whole_lines

CHUNK = 1024 * 1024


class PageReader:
    """The next records for one chest.

    :param mask: the chest's bit.
    :param position: segment and offset where it begins.
    :param limit: records at most.
    """

    def __init__(self, mask: int, position: tuple[int, int], limit: int) -> None:
        self.position = position
        self.lines: list[bytes] = []
        self.damaged = 0
        self._mask = mask
        self._limit = limit

    @property
    def full(self) -> bool:
        """Whether it has as many records as were asked for."""
        return len(self.lines) >= self._limit

    def read_on(self, path: Path, final: bool) -> bool | None:
        """Read on in the segment.

        :param final: whether no more comes.
        :returns: whether there may be more to read; ``None`` where the segment is done with.
        """
        data = read_chunk(path, self.position[1])
        if data is None:
            return None
        if self.take(data) or self._take_more(path, data):
            return True
        if not final:
            return False
        if data:
            # A record that was never finished, or damage up to the end.
            self.damaged += 1
            self.position = (self.position[0], path.stat().st_size)
        return None

    def take(self, data: bytes) -> bool:
        """Take frames from a chunk; ``False`` where it holds not one whole frame."""
        number, offset = self.position
        end = 0
        while not self.full:
            lines, end = whole_lines(data, end, self._mask, self._limit - len(self.lines))
            self.lines += lines
            damaged = None if self.full else next(unpack(data, end), None)
            if damaged is None:
                break
            self.damaged += 1
            end = damaged.end
        self.position = (number, offset + end)
        return end > 0

    def _take_more(self, path: Path, data: bytes) -> bool:
        """Look past a damaged stretch that is longer than a chunk."""
        size = CHUNK
        while len(data) == size:
            size *= 2
            data = read_chunk(path, self.position[1], size) or b""
            if self.take(data):
                return True
        return False


def read_chunk(path: Path, offset: int, size: int = CHUNK) -> bytes | None:
    """Some bytes of a file; ``None`` where it is not there."""
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)
    except FileNotFoundError:
        return None


def is_unlocked(path: Path) -> bool:
    """Whether nobody has a segment open for writing."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False
