"""The partitions that are assigned to one process: its own, and those that it adopted."""

from __future__ import annotations

import logging
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer import LossListener
from ..durable_files import FileLock
from .adoption import Adoption, Reads
from .partition import Partition
from .scope import JournalScope
from .totals import add_to_totals

_logger = logging.getLogger("flask_chest.delivery")

# A folder has a hidden name while it is created or removed; after a crash it may keep that name.
_HIDDEN_NAME = re.compile(r"\.[0-9a-f]{12}-[0-9]+-[0-9a-f]{6}")
_HIDDEN_SECONDS = 60.0


class Assignment:
    """The partitions that one process delivers from.

    Only one thread at a time may change it; :class:`JournalBuffer` holds a lock for that.

    :param scope: the app, and the folder that it shares with other apps.
    :param on_lost: called for records that are lost.
    :param reads: which records the process delivers.
    """

    def __init__(self, scope: JournalScope, on_lost: LossListener, reads: Reads) -> None:
        self._scope = scope
        self._on_lost = on_lost
        self._reads = reads
        self._log = LogThrottle(_logger)
        self._partitions: list[Partition] = []
        self._adoption = Adoption(scope, on_lost, reads)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions that this process delivers from now."""
        return tuple(self._partitions)

    def claim_own(self, folder: Path) -> None:
        """Claim the folder that this process writes to, unless an agent was faster."""
        if self._reads is Reads.NOTHING:
            return
        partition = Partition(folder, self._scope, self._on_lost)
        if partition.claim():
            self._partitions.append(partition)

    def rebalance(self, own: Path | None) -> None:
        """Claim partitions of dead processes, and remove finished ones.

        :param own: the folder that this process writes to.
        """
        if self._reads is Reads.NOTHING:
            return
        claimed = {partition.folder for partition in self._partitions}
        for adopted in self._adoption.claim_new(claimed, own):
            self._partitions.append(adopted)
        for partition in self.partitions():
            if partition.folder != own:
                self._collect_finished(partition)
        self._remove_leftovers()

    def drop_partition(self, folder: Path) -> Partition | None:
        """Stop delivering from a folder that was deleted."""
        for partition in self.partitions():
            if partition.folder == folder:
                self._partitions.remove(partition)
                partition.release()
                return partition
        return None

    def close(self) -> None:
        """Release all partitions; other processes deliver the remaining records."""
        for partition in self.partitions():
            partition.check_writer_alive()
            self._partitions.remove(partition)
            if partition.is_finished():
                self._remove(partition)
            else:
                partition.release()

    def after_fork_in_child(self) -> None:
        """Close the child's copies of the locks; the parent keeps its claims."""
        for partition in self.partitions():
            partition.after_fork_in_child()

    def _collect_finished(self, partition: Partition) -> None:
        if not partition.folder.is_dir():
            self.drop_partition(partition.folder)
            return
        partition.check_writer_alive()
        if not partition.is_complete():
            return
        waiting = [chest for chest in partition.chests if partition.has_undelivered([chest])]
        if not waiting:
            self._partitions.remove(partition)
            self._remove(partition)
        elif not set(waiting) & set(self._scope.chests):
            # Another process may have the chests that the remaining records are for.
            self._partitions.remove(partition)
            partition.release()
            self._adoption.ignore(partition, waiting)

    def _remove(self, partition: Partition) -> None:
        try:
            add_to_totals(self._scope, partition.ledger(), partition.folder.name)
            partition.remove()
        except OSError as error:
            self._log.warning("totals", "the ledger could not be saved: %s", error)
            partition.release()

    def _remove_leftovers(self) -> None:
        with suppress(OSError):
            hidden = (
                path for path in self._scope.root.iterdir() if _HIDDEN_NAME.fullmatch(path.name)
            )
            for path in list(hidden):
                if time.time() - path.stat().st_mtime > _HIDDEN_SECONDS:
                    _remove_unless_locked(path)


def _remove_unless_locked(folder: Path) -> None:
    lock = FileLock(folder / "alive.lock")
    if lock.acquire():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
