"""The journal: what was captured outlives the process that captured it.

A folder per writing process, and beside them the totals of those that are done with::

    chest-journal/
        019aa1b2c3d4-4711-8f3a2b/   one writer: its segments, each chest's place, two locks
        dead/                       records that a chest will never accept
        ledger.json                 the totals of writers that are gone
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer import ClosedError, LossListener
from ..ledger import Ledger
from .assignment import Assignment
from .assignment import Reads as Reads
from .framing import MAGIC, Frame, unpack
from .layout import segment_numbers, segment_path, writer_folders
from .partition import Partition
from .scope import JournalScope
from .totals import add_to_totals, read_ledger
from .writer import JournalWriter

_logger = logging.getLogger("flask_chest.delivery")

_SEGMENT_BYTES = 8 * 1024 * 1024
# Seconds until a journal that could not be opened is tried again.
_OPEN_AGAIN = 5.0
# Seconds between two looks for what dead processes left.
_LOOK_EVERY = 2.0


class JournalBuffer:
    """The records that wait on disk, of this process and of others.

    :param scope: the app, its chests, and the folder that it shares with others.
    :param max_bytes: the size limit of all segments of the app together.
    :param on_lost: called for records that are lost.
    :param reads: whose records this process delivers.
    """

    def __init__(
        self,
        scope: JournalScope,
        max_bytes: int,
        on_lost: LossListener,
        reads: Reads = Reads.OWN_AND_ORPHANED,
    ) -> None:
        self._scope = scope
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max_bytes // 8)
        self._on_lost = on_lost
        self._log = LogThrottle(_logger)
        self._writer: JournalWriter | None = None
        self._sources = Assignment(scope, on_lost, reads)
        # What is known to no folder: it goes to the totals from time to time.
        self._unkept = Ledger()
        self._noting = threading.Lock()
        self._keeping = threading.Lock()
        self._opening = threading.Lock()
        # One thread at a time takes over, drops and parts from folders.
        self._tending = threading.Lock()
        self._open_after = 0.0
        self._look_after = 0.0
        self._closed = False

    def append(self, line: bytes, mask: int) -> None:
        writer = self._writer or self._open()
        writer.append(line, mask)

    @property
    def appended(self) -> int:
        """Records handed over in this process, roughly: a folder that is begun anew counts anew."""
        writer = self._writer
        return 0 if writer is None else writer.appended.total()

    def sources(self) -> Sequence[Partition]:
        return self._sources.listed()

    def maintain(self) -> None:
        with self._tending:
            if self._closed:
                return  # what is taken over now would be let go of by nobody
            if self._writer is not None:
                self._sync(self._writer)
            now = time.monotonic()
            if now >= self._look_after:
                self._look_after = now + _LOOK_EVERY
                self._look_around()

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, chest in enumerate(self._scope.chests):
            if mask >> bit & 1:
                self._note_lost(chest, reason, 1)

    def ledger(self) -> Ledger:
        with self._keeping:
            found = read_ledger(self._scope)
            with self._noting:
                found.add(self._unkept)
        return found

    def oldest_pending(self, chest: str) -> int | None:
        return self._sources.oldest_pending(chest)

    def close(self) -> None:
        with self._tending:
            with self._opening:
                self._closed = True
                writer, self._writer = self._writer, None
            if writer is not None:
                self._sync(writer)
                writer.release()
            del writer  # and with it the lock on its last segment
            self._sources.close()
            self._keep_notes()

    def after_fork_in_child(self) -> None:
        if self._writer is not None:
            self._writer.after_fork_in_child()
        self._sources.after_fork_in_child()

    def _open(self) -> JournalWriter:
        with self._opening:
            if self._closed:
                raise ClosedError
            if self._writer is not None:
                return self._writer
            now = time.monotonic()
            if now < self._open_after:
                raise OSError(f"the journal {self._scope.root} could not be opened a moment ago")
            self._open_after = now + _OPEN_AGAIN
            writer = JournalWriter(self._scope, self._segment_bytes)
            self._open_after = 0.0
            self._sources.take_own(writer.folder)
            self._writer = writer
            return writer

    def _sync(self, writer: JournalWriter) -> None:
        try:
            writer.sync()
        except OSError as error:
            # After a failed fsync a second one proves nothing: https://lwn.net/Articles/752063/
            self._log.warning("sync", "the journal could not be brought to the disk: %s", error)

    def _look_around(self) -> None:
        if self._writer is not None and not self._writer.folder.is_dir():
            self._begin_anew(self._writer)
        self._sources.look_around(None if self._writer is None else self._writer.folder)
        self._drop_what_is_too_much()
        self._keep_notes()

    def _begin_anew(self, writer: JournalWriter) -> None:
        """Somebody removed our folder. What is open still can be read, and is written again."""
        self._log.warning(
            "removed",
            "the journal %s was removed while in use; a new one is begun",
            self._scope.root,
        )
        self._writer = None
        source = self._sources.forget(writer.folder)
        owed = _still_owed(writer, source)
        if source is not None:
            self._note_removed(writer, source, owed)
        for frame, mask in owed:
            if frame.line is not None and mask:
                self._append_again(frame.line, mask)

    def _append_again(self, line: bytes, mask: int) -> None:
        try:
            self.append(line, mask)
        except OSError:
            self.count_lost(mask, "removed")

    def _note_removed(
        self, writer: JournalWriter, source: Partition, again: Sequence[tuple[Frame, int]]
    ) -> None:
        """Keep the account of a folder that is gone, but for what is going to be written again."""
        done = source.accounts()
        appended = writer.appended
        with self._noting:
            self._unkept.add(done)
        for bit, chest in enumerate(self._scope.chests):
            captured = sum(count for mask, count in appended.items() if mask >> bit & 1)
            owed = sum(mask >> bit & 1 for _, mask in again)
            missing = captured - owed - done.account(chest).captured
            if missing > 0:
                self._note_lost(chest, "removed", missing)

    def _note_lost(self, chest: str, reason: str, count: int) -> None:
        with self._noting:
            self._unkept.account(chest).lost[reason] += count
        self._on_lost(chest, reason, count)

    def _keep_notes(self) -> None:
        with self._keeping:
            with self._noting:
                notes, self._unkept = self._unkept, Ledger()
            if not notes.accounts:
                return
            try:
                add_to_totals(self._scope, notes)
            except OSError:  # most likely what they are about
                with self._noting:
                    self._unkept.add(notes)

    def _drop_what_is_too_much(self) -> None:
        while True:
            segments = self._all_segments()
            if sum(size for _, size, _ in segments) <= self._max_bytes:
                return
            if not self._drop_oldest(segments):
                return

    def _drop_oldest(self, segments: list[tuple[float, int, Path]]) -> bool:
        for _, _, folder in sorted(segments):
            dropped = self._sources.drop_oldest(folder)
            if dropped is None:
                return False  # its reader will see to it
            if dropped:
                return True
        return False

    def _all_segments(self) -> list[tuple[float, int, Path]]:
        found = []
        for folder in writer_folders(self._scope.root):
            # What others need is no matter of ours, and not ours to give up.
            if not self._sources.is_ours(folder):
                continue
            for number in segment_numbers(folder):
                with contextlib.suppress(FileNotFoundError):
                    status = segment_path(folder, number).stat()
                    found.append((status.st_mtime, status.st_size, folder))
        return found


def _still_owed(writer: JournalWriter, source: Partition | None) -> list[tuple[Frame, int]]:
    """The records that can still be read of a folder that is gone, and who has not got them."""
    segment = writer.segment
    if segment is None:
        return []
    frames = unpack(segment.read(), len(MAGIC))
    if source is None:
        return [(frame, frame.mask) for frame in frames]
    return [(frame, source.still_owed(segment.number, frame)) for frame in frames]
