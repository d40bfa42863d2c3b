"""A process' own folder in the journal: one ``os.write`` per record, and no lock for it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .files import FileLock, replace_json
from .frame import MAGIC, pack

#: What ``writer.json`` says; a folder that says otherwise was made by another version.
VERSION = 1


class Segment:
    """One file of records, open for appending.

    It is closed when nobody holds it any more, so that a thread which is about to write to it can
    never find its descriptor closed, or given to another file. While it is open it is locked
    (shared), which tells readers that more may come.
    """

    __slots__ = ("descriptor", "number", "size")

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.size = 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self.descriptor = os.open(segment_path(folder, number), flags, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)
        self.size += os.write(self.descriptor, MAGIC)

    def read(self) -> bytes:
        """Everything in it, which works even when its file was removed."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        os.fdatasync(self.descriptor)

    def __del__(self) -> None:
        # A constructor that failed has left no descriptor.
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:08}.segment"


def segment_numbers(folder: Path) -> list[int]:
    """The segments of a folder, oldest first."""
    return sorted(int(path.stem) for path in folder.glob("*.segment") if path.stem.isdigit())


class JournalWriter:
    """Appends records in a folder of its own.

    :param root: the journal's folder; made where it is missing.
    :param chests: names of the chests; their order gives the bits of a mask.
    :param segment_bytes: from this size on the next segment is begun.
    :raises OSError: the folder cannot be made.
    """

    def __init__(self, root: Path, chests: Sequence[str], segment_bytes: int) -> None:
        self._segment_bytes = segment_bytes
        self._rotation = threading.Lock()
        name = f"{time.time_ns() // 1_000_000:012x}-{os.getpid()}-{secrets.token_hex(3)}"
        self.folder = root / name
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Nobody looks into it until it is whole and locked.
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        self._alive = FileLock(hidden / "alive.lock")
        self._alive.acquire()
        replace_json(
            hidden / "writer.json",
            {"version": VERSION, "pid": os.getpid(), "chests": list(chests)},
        )
        hidden.rename(self.folder)
        self._segment = Segment(self.folder, 1)
        self._synced = (0, 0)

    @property
    def segment(self) -> Segment:
        """The segment that is being written."""
        return self._segment

    def append(self, line: bytes, mask: int) -> None:
        """Hand one record to the kernel, from where it outlives this process.

        :raises OSError: the disk is full, or the folder is gone.
        """
        segment = self._segment
        frame = pack(line, mask)
        written = os.write(segment.descriptor, frame)
        segment.size += written
        if written != len(frame):
            # What was taken is damaged, and will be found to be so.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if segment.size >= self._segment_bytes:
            self._rotate(segment)

    def sync(self) -> None:
        """Bring what was appended to the disk, where something was."""
        segment = self._segment
        if self._synced != (segment.number, segment.size):
            self._synced = (segment.number, segment.size)
            segment.sync()

    def release(self) -> None:
        """Declare this writer dead: others may adopt what it leaves."""
        self._alive.release()

    def _rotate(self, full: Segment) -> None:
        with self._rotation:
            if self._segment is full:
                full.sync()
                self._segment = Segment(self.folder, full.number + 1)
