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
from enum import Enum
from pathlib import Path

from ..encoding import made_at
from ..sparse_log import SparseLog
from .buffer import LossListener, Page
from .frame import MAGIC, unpack
from .ledger import Ledger
from .source import ForeignFolderError, JournalSource
from .totals import add_to_totals, read_ledger, writer_folders
from .writer import JournalWriter, segment_numbers, segment_path

_logger = logging.getLogger("flask_chest.delivery")

_SEGMENT_BYTES = 8 * 1024 * 1024
# Seconds until a journal that could not be opened is tried again.
_OPEN_AGAIN = 5.0
# Seconds between two looks for what dead processes left.
_LOOK_EVERY = 2.0


class Reads(Enum):
    """Whose records a process delivers."""

    #: An agent delivers them.
    NOTHING = "nothing"
    #: Its own, and those of processes that died.
    OWN_AND_ORPHANED = "own and orphaned"
    #: Everybody's: it is the agent.
    ALL = "all"


class Journal:
    """The records that wait on disk, of this process and of others.

    :param root: the journal's folder.
    :param chests: the chests' names; their order gives the bits of a mask.
    :param max_bytes: what all segments together may take.
    :param on_lost: told of records that are gone.
    :param reads: whose records this process delivers.
    """

    def __init__(
        self,
        root: Path,
        chests: Sequence[str],
        max_bytes: int,
        on_lost: LossListener,
        reads: Reads = Reads.OWN_AND_ORPHANED,
    ) -> None:
        self.root = root
        self.appended = 0
        self._chests = list(chests)
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max_bytes // 8)
        self._on_lost = on_lost
        self._reads = reads
        self._log = SparseLog(_logger)
        self._writer: JournalWriter | None = None
        self._sources: list[JournalSource] = []
        self._losses = Ledger()
        self._opening = threading.Lock()
        self._open_after = 0.0
        self._look_after = 0.0

    def append(self, line: bytes, mask: int) -> None:
        writer = self._writer or self._open()
        writer.append(line, mask)
        self.appended += 1

    def sources(self) -> Sequence[JournalSource]:
        return tuple(self._sources)

    def tend(self) -> None:
        if self._writer is not None:
            self._sync(self._writer)
        now = time.monotonic()
        if now >= self._look_after:
            self._look_after = now + _LOOK_EVERY
            self._look_around()

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, chest in enumerate(self._chests):
            if mask >> bit & 1:
                self._losses.account(chest).lost[reason] += 1
                self._on_lost(chest, reason, 1)

    def ledger(self) -> Ledger:
        found = read_ledger(self.root, self._chests)
        found.add(self._losses)
        return found

    def oldest(self, chest: str) -> int | None:
        made = [
            made_at(page.lines[0])
            for folder in writer_folders(self.root)
            if (page := _next_page(folder, chest)) is not None and page.lines
        ]
        return min(made, default=None)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._sync(writer)
            writer.release()
        del writer  # and with it the lock on its last segment
        for source in self._sources:
            source.notice_death()
            self._part_from(source)
        self._sources.clear()
        self._keep_losses()

    def _open(self) -> JournalWriter:
        with self._opening:
            if self._writer is not None:
                return self._writer
            now = time.monotonic()
            if now < self._open_after:
                raise OSError(f"the journal {self.root} could not be opened a moment ago")
            self._open_after = now + _OPEN_AGAIN
            writer = JournalWriter(self.root, self._chests, self._segment_bytes)
            self._open_after = 0.0
            if self._reads is not Reads.NOTHING:
                source = JournalSource(writer.folder, self._on_lost)
                source.claim()
                self._sources.append(source)
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
            self._begin_anew()
        if self._reads is not Reads.NOTHING:
            self._adopt()
        self._drop_what_is_too_much()

    def _begin_anew(self) -> None:
        """Somebody removed our folder. What is open still can be read, and is written again."""
        self._log.warning(
            "removed", "the journal %s was removed while in use; a new one is begun", self.root
        )
        writer, self._writer = self._writer, None
        if writer is None:
            return
        gone = [source for source in self._sources if source.folder == writer.folder]
        self._sources = [source for source in self._sources if source not in gone]
        for frame in unpack(writer.segment.read(), len(MAGIC)):
            mask = gone[0].still_owed(writer.segment.number, frame) if gone else frame.mask
            if frame.line is not None and mask:
                self.append(frame.line, mask)

    def _adopt(self) -> None:
        known = {source.folder for source in self._sources}
        for folder in writer_folders(self.root):
            if folder not in known:
                self._adopt_folder(folder)
        own = None if self._writer is None else self._writer.folder
        for source in list(self._sources):
            if source.folder == own:
                continue
            source.notice_death()
            if source.finished():
                self._sources.remove(source)
                self._part_from(source)

    def _adopt_folder(self, folder: Path) -> None:
        try:
            source = JournalSource(folder, self._on_lost)
        except ForeignFolderError:
            self._log.warning(
                "foreign",
                "%s is of another version of Flask-Chest and is left alone; "
                "let that version deliver it, or delete it",
                folder,
            )
            return
        except OSError:
            return  # its owner is removing it
        source.notice_death()
        if (source.dead or self._reads is Reads.ALL) and source.claim():
            self._sources.append(source)

    def _part_from(self, source: JournalSource) -> None:
        if not source.finished():
            source.release()
            return
        try:
            add_to_totals(self.root, source.ledger(), source.folder.name)
            source.remove()
        except OSError as error:
            self._log.warning("totals", "the ledger could not be kept: %s", error)
            source.release()

    def _keep_losses(self) -> None:
        losses, self._losses = self._losses, Ledger()
        if losses.accounts:
            with contextlib.suppress(OSError):  # most likely what lost them
                add_to_totals(self.root, losses)

    def _drop_what_is_too_much(self) -> None:
        while True:
            segments = _all_segments(self.root)
            if sum(size for _, size, _ in segments) <= self._max_bytes:
                return
            if not self._drop_oldest(min(segments)[2]):
                return

    def _drop_oldest(self, folder: Path) -> bool:
        for source in self._sources:
            if source.folder == folder:
                return source.drop_oldest()
        # Nobody may be there to deliver it: an agent that does not run, say.
        try:
            source = JournalSource(folder, self._on_lost)
        except (ForeignFolderError, OSError):
            return False
        if not source.claim():
            return False
        try:
            source.notice_death()
            return source.drop_oldest()
        finally:
            source.release()


def _next_page(folder: Path, chest: str) -> Page | None:
    """What waits first in a writer's folder; whoever delivers it is not disturbed."""
    try:
        return JournalSource(folder, lambda *_: None).read(chest, 1)
    except (ForeignFolderError, OSError):
        return None


def _all_segments(root: Path) -> list[tuple[float, int, Path]]:
    found = []
    for folder in writer_folders(root):
        for number in segment_numbers(folder):
            with contextlib.suppress(FileNotFoundError):
                status = segment_path(folder, number).stat()
                found.append((status.st_mtime, status.st_size, folder))
    return found
