"""``CHEST_BUFFER = "disk"``: keeps waiting records in the journal, where they survive the process.

Each writing process has a folder. When it is finished, its numbers move to the totals::

    chest-journal/
        019aa1b2c3d4-4711-8f3a2b/   one writer: segments, a checkpoint per chest, two locks
        dead/                       records that a chest will never accept
        ledger.json                 the totals of removed folders
        ledger.spare                room for the next totals; the two files take turns
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from ..._throttle import LogThrottle
from ..buffer_protocol import ClosedError, LossListener
from ..ledger import Ledger
from .app_scope import JournalScope
from .backlog import oldest_pending
from .damaged_records import iter_frames
from .dead_writer_adoption import Reads
from .ledger_of_all_processes import add_to_totals, read_ledger, reserve_totals
from .partition import Partition
from .partition_assignment import Assignment
from .record_framing import MAGIC, Frame
from .size_limit import enforce_size_limit
from .writer import JournalWriter

_logger = logging.getLogger("flask_chest.delivery")

_MAX_SEGMENT_BYTES = 8 * 1024 * 1024
# Seconds before a journal that could not be opened is tried again.
_REOPEN_INTERVAL = 5.0
# Seconds between two scans for records of dead processes.
_RESCAN_INTERVAL = 2.0


class JournalBuffer:
    """The records on disk that wait for delivery: those of this process, and of others.

    :param scope: the app, its chests, and the folder that it shares with other apps.
    :param max_bytes: the size limit of all segments of the app together.
    :param on_lost: called for records that are lost.
    :param reads: which records this process delivers.
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
        self._segment_bytes = min(_MAX_SEGMENT_BYTES, max_bytes // 8)
        self._on_lost = on_lost
        self._reads = reads
        self._log = LogThrottle(_logger)
        self._writer: JournalWriter | None = None
        self._assignment = Assignment(scope, on_lost, reads)
        # Losses that no checkpoint contains; they are added to the totals from time to time.
        self._unsaved = Ledger()
        self._unsaved_lock = threading.Lock()
        self._closed_accounts: Ledger | None = None
        self._totals_lock = threading.Lock()
        self._opening = threading.Lock()
        # Only one thread at a time claims, drops and removes partitions.
        self._maintaining = threading.Lock()
        self._reopen_after = 0.0
        self._rescan_after = 0.0
        self._appended_before: int | None = None
        self._closed = False

    def append(self, line: bytes, mask: int) -> None:
        writer = self._writer or self._open()
        writer.append(line, mask)

    @property
    def appended(self) -> int:
        """The approximate number of appended records; a new folder starts at zero again."""
        writer = self._writer
        return 0 if writer is None else writer.appended.total()

    @property
    def others_append(self) -> bool:
        """Whether other processes, or their last requests, may append to what is delivered here."""
        own = None if self._writer is None else self._writer.folder
        return self._reads is Reads.ALL or any(
            partition.folder != own for partition in self.sources()
        )

    def sources(self) -> Sequence[Partition]:
        return self._assignment.partitions()

    def maintain(self) -> None:
        with self._maintaining:
            if self._closed:
                return  # close() has released all partitions, and nothing would release new ones
            if self._writer is not None:
                self._sync(self._writer)
            now = time.monotonic()
            if now >= self._rescan_after:
                self._rescan_after = now + _RESCAN_INTERVAL
                self._rescan()

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, chest in enumerate(self._scope.chests):
            if mask >> bit & 1:
                self._count_lost(chest, reason, 1)

    def ledger(self) -> Ledger:
        with self._totals_lock:
            ledger = read_ledger(self._scope)
            with self._unsaved_lock:
                ledger.add(self._unsaved)
        self._add_closed(ledger)
        return ledger

    def oldest_pending(self, chest: str) -> int | None:
        return oldest_pending(self._scope, chest)

    def close(self) -> None:
        with self._maintaining:
            with self._opening:
                self._closed = True
                writer, self._writer = self._writer, None
            if writer is not None:
                if not self._assignment.has_delivered(writer.folder):
                    self._sync(writer)
                writer.release()
            del writer  # its last segment is unlocked when the last reference is gone
            self._assignment.close()
            self._save_losses()

    def after_fork_in_child(self) -> None:
        if self._writer is not None:
            self._writer.after_fork_in_child()
        self._assignment.after_fork_in_child()

    def _open(self) -> JournalWriter:
        with self._opening:
            if self._closed:
                raise ClosedError
            if self._writer is not None:
                return self._writer
            now = time.monotonic()
            if now < self._reopen_after:
                raise OSError(f"the journal {self._scope.root} could not be opened a moment ago")
            self._reopen_after = now + _REOPEN_INTERVAL
            writer = JournalWriter(self._scope, self._segment_bytes)
            self._reopen_after = 0.0
            self._assignment.claim_own(writer.folder)
            self._writer = writer
            with suppress(OSError):  # a disk that is full already
                reserve_totals(self._scope.root)
            return writer

    def _sync(self, writer: JournalWriter) -> None:
        try:
            writer.sync()
        except OSError as error:
            # After a failed fsync a second one proves nothing: https://lwn.net/Articles/752063/
            self._log.warning("sync", "the journal could not be fsynced: %s", error)

    def _rescan(self) -> None:
        if self._writer is not None:
            self._check_folder(self._writer)
        self._assignment.rebalance(None if self._writer is None else self._writer.folder)
        if self._has_grown():
            enforce_size_limit(self._scope, self._max_bytes, self.sources(), self._on_lost)
        self._save_losses()

    def _has_grown(self) -> bool:
        """Return whether the size limit may be exceeded since the last call."""
        appended, self._appended_before = self._appended_before, self.appended
        return self.others_append or appended != self._appended_before

    def _check_folder(self, writer: JournalWriter) -> None:
        try:
            list(writer.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            self._replace_removed(writer)
        except PermissionError as error:
            self._replace_closed(writer, error)

    def _replace_closed(self, writer: JournalWriter, error: PermissionError) -> None:
        """Replace a folder that this process may not read since it has changed its user."""
        self._log.warning(
            "closed",
            "this process may no longer read its records, as after a change of its user: %s; they "
            "wait there for a process of that user; start Flask-Chest after the change, or give "
            "the folder to uid %d",
            error,
            os.geteuid(),
        )
        partition = self._assignment.drop_partition(writer.folder)
        if partition is not None:
            self._closed_accounts = partition.accounts()
        with suppress(OSError):  # the kernel still takes records for the old folder
            successor = JournalWriter(self._scope, self._segment_bytes)
            self._assignment.claim_own(successor.folder)
            self._writer, self._closed_accounts = successor, None
            writer.release()

    def _add_closed(self, ledger: Ledger) -> None:
        """Add the records of a folder that this process writes to, and may no longer read."""
        writer, accounts = self._writer, self._closed_accounts
        if writer is None or accounts is None:
            return
        ledger.add(accounts)
        appended = writer.appended
        for bit, chest in enumerate(self._scope.chests):
            captured = sum(count for mask, count in appended.items() if mask >> bit & 1)
            ledger.account(chest).pending += captured - accounts.account(chest).captured

    def _replace_removed(self, writer: JournalWriter) -> None:
        """Replace a folder that was deleted; rewrite the records of its open segment."""
        self._log.warning(
            "removed",
            "the journal %s was removed while in use; a new one is created",
            self._scope.root,
        )
        self._writer = None
        partition = self._assignment.drop_partition(writer.folder)
        undelivered = _undelivered(writer, partition)
        if partition is not None:
            self._account_removed(writer, partition, undelivered)
        for frame, mask in undelivered:
            if frame.line is not None and mask:
                self._append_again(frame.line, mask)

    def _append_again(self, line: bytes, mask: int) -> None:
        try:
            self.append(line, mask)
        except OSError:
            self.count_lost(mask, "removed")

    def _account_removed(
        self, writer: JournalWriter, partition: Partition, rewritten: Sequence[tuple[Frame, int]]
    ) -> None:
        """Keep the ledger of a deleted folder, except for records that will be rewritten."""
        accounts = partition.accounts()
        appended = writer.appended
        with self._unsaved_lock:
            self._unsaved.add(accounts)
        for bit, chest in enumerate(self._scope.chests):
            captured = sum(count for mask, count in appended.items() if mask >> bit & 1)
            again = sum(mask >> bit & 1 for _, mask in rewritten)
            missing = captured - again - accounts.account(chest).captured
            if missing > 0:
                self._count_lost(chest, "removed", missing)

    def _count_lost(self, chest: str, reason: str, count: int) -> None:
        with self._unsaved_lock:
            self._unsaved.account(chest).lost[reason] += count
        self._on_lost(chest, reason, count)

    def _save_losses(self) -> None:
        with self._totals_lock:
            with self._unsaved_lock:
                losses, self._unsaved = self._unsaved, Ledger()
            if not losses.accounts:
                return
            try:
                add_to_totals(self._scope, losses)
            except OSError:  # a full disk, most likely, which also caused the losses
                with self._unsaved_lock:
                    self._unsaved.add(losses)


def _undelivered(writer: JournalWriter, partition: Partition | None) -> list[tuple[Frame, int]]:
    """Return the records of a deleted folder's open segment, with the chests that wait for them."""
    segment = writer.segment
    if segment is None:
        return []
    frames = iter_frames(segment.read(), len(MAGIC))
    if partition is None:
        return [(frame, frame.mask) for frame in frames]
    return [(frame, partition.undelivered_mask(segment.number, frame)) for frame in frames]
