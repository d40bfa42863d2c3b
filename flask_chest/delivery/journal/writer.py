"""Appends a process' records to its folder: one ``os.write`` per record, without a lock."""

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

from ..buffer_protocol import TornRecordError
from ..durable_files import replace_json, sync_data, sync_file, sync_folder
from ..file_lock import FileLock
from ..file_ownership import check_root, create_folder, create_root
from .app_scope import JournalScope
from .checkpoint import Checkpoint
from .file_names import checkpoint_path, counts_path, segment_path
from .segment import Segment
from .writer_description import DESCRIPTION_NAMES, Description

# The next segment, before it has a number.
_SPARE_NAME = "next.segment"


class JournalWriter:
    """Appends the records of one process to a new folder.

    :param scope: the app that it writes for; the journal's folder is created if it is missing.
    :param segment_bytes: the size at which it starts the next segment.
    :raises OSError: the folder cannot be created.
    """

    def __init__(self, scope: JournalScope, segment_bytes: int) -> None:
        root = scope.root
        self._segment_bytes = segment_bytes
        self._rotation = threading.Lock()
        # Number and counts of full segments that are not fsynced yet. Not the segments themselves:
        # a reference would keep a segment open and locked, so no reader could treat it as final.
        self._full: list[tuple[int, Mapping[int, int]]] = []
        self._counted: Counter[int] = Counter()
        self._spare: Segment | None = None
        self._synced = (0, 0)
        name = f"{int(time.time_ns()) // 1_000_000:012x}-{os.getpid()}-{secrets.token_hex(3)}"
        self.folder = root / name
        create_root(root)
        check_root(root)
        # Readers ignore a hidden folder, so they see this one only when it is whole and locked.
        hidden = root / f".{name}"
        create_folder(hidden)
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
        """The segment that is being written; ``None`` after a full disk has ended one."""
        return self._segment

    @property
    def appended(self) -> Counter[int]:
        """The number of appended records by mask."""
        with self._rotation:
            segment = self._segment
            return self._counted + Counter({} if segment is None else segment.counts)

    def append(self, line: bytes, mask: int) -> None:
        """Write one record to the kernel's page cache, where it survives this process.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        :raises OSError: the disk is full, or the folder is gone.
        :raises TornRecordError: only a part of the record was written.
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
            # Truncating could remove what another thread has written behind the torn record. It
            # stays as the last record of this segment, where the reader finds and counts it.
            self._end(segment)
            raise TornRecordError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Fsync the appended records, if there are new ones.

        :raises OSError: some of them could not be fsynced.
        """
        with self._rotation:
            full, self._full = self._full, []
        for each, counts in full:
            self._finish(each, counts)
        self._create_spare()
        segment = self._segment
        number, _ = self._synced
        if segment is None or self._synced == (segment.number, segment.size):
            return
        self._synced = (segment.number, segment.size)
        segment.sync()
        if not number:
            for name in DESCRIPTION_NAMES:
                sync_file(self.folder / name)
            sync_folder(self.folder.parent)
        if segment.number != number:
            sync_folder(self.folder)

    def release(self) -> None:
        """Declare this writer dead; other processes may adopt its records."""
        self._alive.release()

    def after_fork_in_child(self) -> None:
        """Close the child's copies of the parent's descriptors."""
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
        Description.write(folder, scope)
        for bit in range(len(scope.chests)):
            Checkpoint(checkpoint_path(folder, bit)).create()

    def _rotate(self, full: Segment | None) -> Segment:
        with self._rotation:
            current = self._segment
            if current is not None and current is not full:
                return current  # another thread has rotated meanwhile
            try:
                self._segment = self._begin(self._number + 1)
            except OSError:
                if current is None:
                    raise
                return current  # a segment that is too long does no harm
            self._number += 1
            if current is not None:
                self._retire(current)
            return self._segment

    def _end(self, failed: Segment) -> None:
        # Nothing may follow a torn record. And if this segment has filled the disk, there is room
        # again only when the segment is removed: it must be final before a next one exists, for
        # which there is no room.
        with self._rotation:
            if self._segment is failed:
                self._segment = None
                self._retire(failed)

    def _retire(self, segment: Segment) -> None:
        self._full.append((segment.number, segment.counts))
        self._counted.update(segment.counts)

    def _begin(self, number: int) -> Segment:
        spare, self._spare = self._spare, None
        path = self.folder / (_SPARE_NAME if spare is not None else f"{number:08}.begun")
        segment = spare or Segment(path, number, self._segment_bytes)
        # Renamed when it is locked: a reader treats an unlocked segment as final.
        path.rename(segment_path(self.folder, number))
        segment.number = number
        return segment

    def _create_spare(self) -> None:
        # This fails on a full disk; the next segment is then created when it is needed.
        if self._spare is None:
            with suppress(OSError):
                self._spare = Segment(self.folder / _SPARE_NAME, 0, self._segment_bytes)

    def _finish(self, number: int, counts: Mapping[int, int]) -> None:
        """Fsync a full segment, and save its counts for readers that need the pending records."""
        try:
            descriptor = os.open(segment_path(self.folder, number), os.O_WRONLY)
        except FileNotFoundError:
            return  # delivered already
        try:
            sync_data(descriptor)
        finally:
            os.close(descriptor)
        with suppress(OSError):
            by_mask = {f"{mask:08x}": count for mask, count in counts.items()}
            replace_json(counts_path(self.folder, number), {"counts": by_mask})
            if not segment_path(self.folder, number).exists():
                counts_path(self.folder, number).unlink()
