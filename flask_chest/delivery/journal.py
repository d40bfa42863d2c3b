"""The journal: what was captured outlives the process that captured it.

A folder per writing process, and beside them the totals of those that are done with::

    chest-journal/
        019aa1b2c3d4-4711-8f3a2b/   one writer: its segments, each chest's place, two locks
        dead/                       records that a chest will never accept
        ledger.json                 the totals of writers that are gone
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .buffer import LossListener
from .files import FileLock, read_json, replace_json
from .ledger import Ledger
from .source import ForeignFolderError, JournalSource
from .writer import JournalWriter, segment_numbers, segment_path

_SEGMENT_BYTES = 8 * 1024 * 1024
_OPEN_AGAIN = 5.0
_ADOPT_EVERY = 2.0


class Journal:
    """The records that wait on disk, of this process and of those that died.

    :param root: the journal's folder.
    :param chests: the chests' names; their order gives the bits of a mask.
    :param max_bytes: what all segments together may take.
    :param on_lost: told of records that are gone.
    """

    def __init__(
        self, root: Path, chests: Sequence[str], max_bytes: int, on_lost: LossListener
    ) -> None:
        self.root = root
        self.appended = 0
        self._chests = list(chests)
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max_bytes // 8)
        self._on_lost = on_lost
        self._writer: JournalWriter | None = None
        self._own: JournalSource | None = None
        self._sources: list[JournalSource] = []
        self._losses = Ledger()
        self._opening = threading.Lock()
        self._open_after = 0.0
        self._adopt_after = 0.0

    def append(self, line: bytes, mask: int) -> None:
        writer = self._writer or self._open()
        writer.append(line, mask)
        self.appended += 1

    def sources(self) -> Sequence[JournalSource]:
        return tuple(self._sources)

    def tend(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.sync()
        now = time.monotonic()
        if now >= self._adopt_after:
            self._adopt_after = now + _ADOPT_EVERY
            self._adopt()
            self._drop_what_is_too_much()

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, chest in enumerate(self._chests):
            if mask >> bit & 1:
                self._losses.account(chest).lost[reason] += 1
                self._on_lost(chest, reason, 1)

    def ledger(self) -> Ledger:
        found = read_ledger(self.root, self._chests)
        found.add(self._losses)
        return found

    def close(self) -> None:
        own, self._own = self._own, None
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.sync()
            writer.release()
        del writer
        if own is not None:
            own.notice_death()
        for source in self._sources:
            self._finish(source)
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
            source = JournalSource(writer.folder, self._on_lost)
            source.claim()
            self._own = source
            self._sources.append(source)
            self._writer = writer
            return writer

    def _adopt(self) -> None:
        known = {source.folder for source in self._sources}
        for folder in writer_folders(self.root):
            if folder not in known:
                self._adopt_folder(folder)
        for source in list(self._sources):
            if source is not self._own and source.finished():
                self._sources.remove(source)
                self._finish(source)

    def _adopt_folder(self, folder: Path) -> None:
        try:
            source = JournalSource(folder, self._on_lost)
        except (ForeignFolderError, OSError):
            return
        source.notice_death()
        if source.dead and source.claim():
            self._sources.append(source)

    def _finish(self, source: JournalSource) -> None:
        if not source.finished():
            source.release()
            return
        with contextlib.suppress(OSError):
            add_to_totals(self.root, source.ledger(), source.folder.name)
            source.remove()

    def _keep_losses(self) -> None:
        losses, self._losses = self._losses, Ledger()
        if not losses.accounts:
            return
        with contextlib.suppress(OSError):
            add_to_totals(self.root, losses)

    def _drop_what_is_too_much(self) -> None:
        while True:
            segments = _all_segments(self.root)
            if sum(size for _, size, _ in segments) <= self._max_bytes:
                return
            folder = min(segments)[2]
            mine = [source for source in self._sources if source.folder == folder]
            if not mine or not mine[0].drop_oldest():
                return


def writer_folders(root: Path) -> list[Path]:
    """The folders of all writers, oldest first."""
    try:
        return sorted(path.parent for path in root.glob("[!.]*/writer.json"))
    except OSError:
        return []


def read_ledger(root: Path, chests: Sequence[str] = ()) -> Ledger:
    """The ledger of all processes, living and dead, from what lies in the journal.

    :param chests: names to show even where nothing is known of them.
    """
    totals, counted = _totals(root)
    for chest in chests:
        totals.account(chest)
    for folder in writer_folders(root):
        if folder.name not in counted:
            with contextlib.suppress(ForeignFolderError, OSError):
                totals.add(JournalSource(folder, lambda *_: None).ledger())
    return totals


def add_to_totals(root: Path, ledger: Ledger, writer: str | None = None) -> None:
    """Take a ledger into the totals, once per writer.

    :param writer: the folder that it is the ledger of, and that is removed next: should that not
        come to pass, its name in the file keeps it from being counted again.
    """
    lock = FileLock(root / "ledger.lock")
    lock.acquire(wait=True)
    try:
        totals, counted = _totals(root)
        if writer in counted:
            return
        totals.add(ledger)
        there = {folder.name for folder in writer_folders(root)}
        content = {
            "chests": totals.to_dict(),
            "counted": [name for name in (*counted, writer) if name in there],
        }
        replace_json(root / "ledger.json", content)
    finally:
        lock.release()


def _totals(root: Path) -> tuple[Ledger, list[str]]:
    content = read_json(root / "ledger.json")
    if not isinstance(content, dict):
        return Ledger(), []
    return Ledger.from_dict(content.get("chests", {})), list(content.get("counted", ()))


def _all_segments(root: Path) -> list[tuple[float, int, Path]]:
    found = []
    for folder in writer_folders(root):
        for number in segment_numbers(folder):
            with contextlib.suppress(FileNotFoundError):
                status = segment_path(folder, number).stat()
                found.append((status.st_mtime, status.st_size, folder))
    return found
