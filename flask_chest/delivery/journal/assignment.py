"""The writers' folders that one process delivers from: its own, and those it took over."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

from ..._throttle import LogThrottle
from ...record.encoding import made_at
from ..buffer import LossListener, Page
from ..durable_files import FileLock
from .layout import writer_folders
from .partition import ForeignFolderError, Partition
from .scope import JournalScope
from .totals import add_to_totals

_logger = logging.getLogger("flask_chest.delivery")

# A folder under a hidden name is being made or being removed; a crash may leave it so.
_HIDDEN_NAME = re.compile(r"\.[0-9a-f]{12}-[0-9]+-[0-9a-f]{6}")
_HIDDEN_SECONDS = 60.0


class Reads(Enum):
    """Whose records a process delivers."""

    #: An agent delivers them.
    NOTHING = "nothing"
    #: Its own, and those of processes that died.
    OWN_AND_ORPHANED = "own and orphaned"
    #: Everybody's: it is the agent.
    ALL = "all"


class Assignment:
    """What one process delivers. Its journal sees to it that one thread at a time changes it.

    :param scope: the app, and the folder that it shares with others.
    :param on_lost: called for records that are lost.
    :param reads: whose records it delivers.
    """

    def __init__(self, scope: JournalScope, on_lost: LossListener, reads: Reads) -> None:
        self._scope = scope
        self._on_lost = on_lost
        self._reads = reads
        self._log = LogThrottle(_logger)
        self._held: list[Partition] = []
        # Folders with nothing for our chests.
        self._passed_by: set[str] = set()

    def listed(self) -> tuple[Partition, ...]:
        """Those whose records are ours to deliver now."""
        return tuple(self._held)

    def take_own(self, folder: Path) -> None:
        """Deliver what this process itself writes, unless an agent was faster."""
        if self._reads is Reads.NOTHING:
            return
        source = self._source(folder)
        if source.claim():
            self._held.append(source)

    def look_around(self, own: Path | None) -> None:
        """Take over what others left, and part from what is done with.

        :param own: the folder that this process writes to.
        """
        if self._reads is Reads.NOTHING:
            return
        self._take_over(own)
        for source in self.listed():
            if source.folder != own:
                self._look_after(source)
        self._sweep()

    def forget(self, folder: Path) -> Partition | None:
        """No longer deliver from a folder, which is gone."""
        for source in self.listed():
            if source.folder == folder:
                self._held.remove(source)
                source.release()
                return source
        return None

    def drop_oldest(self, folder: Path) -> bool | None:
        """Give up the oldest records of a folder.

        :returns: whether there were any that are not being written; ``None`` where that is for
            another process to do, which delivers them.
        """
        for source in self.listed():
            if source.folder == folder:
                return source.drop_oldest()
        # Nobody may be there to deliver it: an agent that does not run, say.
        try:
            source = self._source(folder)
        except (ForeignFolderError, OSError):
            return False
        if not source.claim():
            return None
        try:
            source.notice_death()
            return source.drop_oldest()
        finally:
            source.release()

    def is_ours(self, folder: Path) -> bool:
        """Whether a folder was written for our app, by a version that writes as we do."""
        try:
            return self._source(folder).app_name == self._scope.app_name
        except (ForeignFolderError, OSError):
            return False

    def oldest_pending(self, chest: str) -> int | None:
        """When the oldest record that waits for a chest was made, whoever delivers it."""
        made = [
            made_at(page.lines[0])
            for folder in writer_folders(self._scope.root)
            if (page := self._next_page(folder, chest)) is not None and page.lines
        ]
        return min(made, default=None)

    def close(self) -> None:
        """Let go of all; others deliver what is left."""
        for source in self.listed():
            source.notice_death()
            self._held.remove(source)
            if source.finished():
                self._part_from(source)
            else:
                source.release()

    def after_fork_in_child(self) -> None:
        """In the child of a fork: what the parent claimed stays the parent's."""
        for source in self.listed():
            source.after_fork_in_child()

    def _source(self, folder: Path) -> Partition:
        return Partition(folder, self._scope, self._on_lost)

    def _next_page(self, folder: Path, chest: str) -> Page | None:
        try:
            source = self._source(folder)
            return source.read(chest, 1) if source.app_name == self._scope.app_name else None
        except (ForeignFolderError, OSError):
            return None

    def _take_over(self, own: Path | None) -> None:
        folders = writer_folders(self._scope.root)
        self._passed_by &= {folder.name for folder in folders}
        known = {source.folder for source in self._held}
        for folder in folders:
            if folder not in known and folder.name not in self._passed_by:
                self._look_at(folder, folder == own)

    def _look_at(self, folder: Path, own: bool) -> None:
        try:
            source = self._source(folder)
        except ForeignFolderError:
            self._log.warning(
                "foreign",
                "%s is of another version of Flask-Chest, or not readable, and is left alone; "
                "let that version deliver it, or delete it",
                folder,
            )
            return
        except OSError:
            return  # its owner is removing it
        if source.app_name != self._scope.app_name:
            self._passed_by.add(folder.name)
            _logger.info("%s is the app %r's, which delivers it itself", folder, source.app_name)
            return
        source.notice_death()
        if (source.dead or own or self._reads is Reads.ALL) and source.claim():
            self._held.append(source)
            self._tell_moved(source)

    def _tell_moved(self, source: Partition) -> None:
        for name, (was, now) in source.moved.items():
            if source.has_more([name]):
                self._log.warning(
                    "moved",
                    "chest %r was at %s, and is at %s now: what waits for it goes there",
                    name,
                    was,
                    now,
                )

    def _look_after(self, source: Partition) -> None:
        if not source.folder.is_dir():
            self.forget(source.folder)
            return
        source.notice_death()
        if not source.complete():
            return
        waiting = [chest for chest in source.chests if source.has_more([chest])]
        if not waiting:
            self._held.remove(source)
            self._part_from(source)
        elif not set(waiting) & set(self._scope.chests):
            # What is left is for chests that another process may have.
            self._held.remove(source)
            source.release()
            self._pass_by(source, waiting)

    def _pass_by(self, source: Partition, waiting: Sequence[str]) -> None:
        self._passed_by.add(source.folder.name)
        self._log.warning(
            "strange chest",
            "%s holds records for %s, which this process does not have; they wait for one that "
            "names it in CHEST_CHESTS; else delete the folder",
            source.folder,
            " and ".join(map(repr, waiting)),
        )

    def _part_from(self, source: Partition) -> None:
        try:
            add_to_totals(self._scope, source.ledger(), source.folder.name)
            source.remove()
        except OSError as error:
            self._log.warning("totals", "the ledger could not be kept: %s", error)
            source.release()

    def _sweep(self) -> None:
        with suppress(OSError):
            for path in list(self._scope.root.iterdir()):
                if not _HIDDEN_NAME.fullmatch(path.name):
                    continue
                if time.time() - path.stat().st_mtime > _HIDDEN_SECONDS:
                    _remove_unless_locked(path)


def _remove_unless_locked(folder: Path) -> None:
    lock = FileLock(folder / "alive.lock")
    if lock.acquire():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
