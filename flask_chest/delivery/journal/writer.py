"""A process' own folder in the journal: one ``os.write`` per record, and no lock for it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flask_chest.delivery.journal.layout import (
    _DESCRIPTIONS,
    VERSION,
    counts_path,
    place_path,
    segment_path,
)

from ..buffer import TornRecordError
from ..durable_files import FileLock, replace_json, sync_file, sync_folder, write_json
from .checkpoint import Checkpoint
from .scope import JournalScope
from .segment import Segment

# The next segment, before it has a number.
_SPARE = "next.segment"


class JournalWriter:
    """Appends records in a folder of its own.

    :param scope: the app that it writes for; the journal's folder is created if it is missing.
    :param segment_bytes: the size at which it starts the next segment.
    :raises OSError: the folder cannot be made.
    """

    def __init__(self, scope: JournalScope, segment_bytes: int) -> None:
        root = scope.root
        self._segment_bytes = segment_bytes
        self._rotation = threading.Lock()
        # Number and counts of those that are full and not on the disk yet. Not the segments: while
        # one is held it is open and locked, and nobody may take it to be at its end.
        self._full: list[tuple[int, Mapping[int, int]]] = []
        self._counted: Counter[int] = Counter()
        self._spare: Segment | None = None
        self._synced = (0, 0)
        name = f"{time.time_ns() // 1_000_000:012x}-{os.getpid()}-{secrets.token_hex(3)}"
        self.folder = root / name
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Nobody looks into it until it is whole and locked.
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        self._alive = FileLock(hidden / "alive.lock")
        try:
            self._describe_in(hidden, scope)
            self._segment: Segment | None = Segment(segment_path(hidden, 1), 1, segment_bytes)
            self._number = 1
            hidden.rename(self.folder)
        except OSError:
            shutil.rmtree(hidden, ignore_errors=True)
            raise

    @property
    def segment(self) -> Segment | None:
        """The segment that is being written; ``None`` where that was ended by a full disk."""
        return self._segment

    @property
    def appended(self) -> Counter[int]:
        """How many records of which mask were appended."""
        with self._rotation:
            segment = self._segment
            return self._counted + Counter({} if segment is None else segment.counts)

    def append(self, line: bytes, mask: int) -> None:
        """Hand one record to the kernel, from where it outlives this process.

        :raises OSError: the disk is full, or the folder is gone.
        :raises TornRecordError: a part of it was taken.
        """
        segment = self._segment
        if segment is None or segment.full:
            segment = self._rotate(segment)
        try:
            whole = segment.append(line, mask)
        except OSError:
            self._end(segment)
            raise
        if not whole:
            # Cutting it off could take with it what another thread has written behind it. It
            # stays, as the last thing in this segment: the reader finds it there, and counts it.
            self._end(segment)
            raise TornRecordError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Bring what was appended to the disk, where something was.

        :raises OSError: that failed, for some of it.
        """
        with self._rotation:
            full, self._full = self._full, []
        for each, counts in full:
            self._finish(each, counts)
        self._make_spare()
        segment = self._segment
        number, _ = self._synced
        if segment is None or self._synced == (segment.number, segment.size):
            return
        self._synced = (segment.number, segment.size)
        segment.sync()
        if not number:
            for name in _DESCRIPTIONS:
                sync_file(self.folder / name)
            sync_folder(self.folder.parent)
        if segment.number != number:
            sync_folder(self.folder)

    def release(self) -> None:
        """Declare this writer dead: others may adopt what it leaves."""
        self._alive.release()

    def after_fork_in_child(self) -> None:
        """In the child of a fork: let go of what the parent still holds."""
        self._alive.release()
        for segment in (self._segment, self._spare):
            if segment is not None:
                segment.close()

    def _describe_in(self, folder: Path, scope: JournalScope) -> None:
        if not self._alive.acquire():
            raise OSError(
                f"files in {folder.parent} cannot be locked; "
                "put CHEST_JOURNAL_DIR on a local file system"
            )
        described = {
            "version": VERSION,
            "pid": os.getpid(),
            "owner": scope.app_name,
            "chests": list(scope.chests),
            "stores": dict(scope.locations),
        }
        for name in _DESCRIPTIONS:
            write_json(folder / name, described)
        for bit in range(len(scope.chests)):
            Checkpoint(place_path(folder, bit)).make()

    def _rotate(self, full: Segment | None) -> Segment:
        with self._rotation:
            current = self._segment
            if current is not None and current is not full:
                return current
            try:
                self._segment = self._begin(self._number + 1)
            except OSError:
                if current is None:
                    raise
                return current  # one that is longer than it should be loses nothing
            self._number += 1
            if current is not None:
                self._retire(current)
            return self._segment

    def _end(self, failed: Segment) -> None:
        # Nothing may follow a record that was cut short. And a disk that this segment has filled
        # gets room again only when the segment is removed: so it must not wait for the next one,
        # for which there is no room either.
        with self._rotation:
            if self._segment is failed:
                self._segment = None
                self._retire(failed)

    def _retire(self, segment: Segment) -> None:
        self._full.append((segment.number, segment.counts))
        self._counted.update(segment.counts)

    def _begin(self, number: int) -> Segment:
        spare, self._spare = self._spare, None
        begun = self.folder / (_SPARE if spare is not None else f"{number:08}.begun")
        segment = spare or Segment(begun, number, self._segment_bytes)
        # Named when it is locked: a reader takes one that is not for one that nobody writes to.
        begun.rename(segment_path(self.folder, number))
        segment.number = number
        return segment

    def _make_spare(self) -> None:
        # When the disk is full, none can be made.
        if self._spare is None:
            with suppress(OSError):
                self._spare = Segment(self.folder / _SPARE, 0, self._segment_bytes)

    def _finish(self, number: int, counts: Mapping[int, int]) -> None:
        """Bring a full segment to the disk, and spare others from counting its records."""
        try:
            descriptor = os.open(segment_path(self.folder, number), os.O_WRONLY)
        except FileNotFoundError:
            return  # delivered already
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        with suppress(OSError):
            noted = {f"{mask:08x}": count for mask, count in counts.items()}
            replace_json(counts_path(self.folder, number), {"counts": noted})
            if not segment_path(self.folder, number).exists():
                counts_path(self.folder, number).unlink()
