"""The partitions that are assigned to one process: its own, and those that it adopted."""

from __future__ import annotations

import logging
import resource
import shutil
import time
from contextlib import suppress
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer_protocol import LossListener
from ..file_lock import FileLock
from .app_scope import JournalScope
from .dead_writer_adoption import Adoption, Reads
from .file_names import WRITER_NAME
from .ledger_of_all_processes import add_to_totals
from .partition import Partition
from .writer_description import ForeignFolderError

_logger = logging.getLogger("flask_chest.delivery")

# A folder has a hidden name while it is created or removed; after a crash it may keep that name.
_HIDDEN_SECONDS = 60.0
# Seconds without removals after the totals could not be saved: each attempt may wait for a lock.
_REMOVAL_PAUSE = 10.0
# Each partition needs a descriptor, and the app needs descriptors, too.
_DESCRIPTOR_SHARE = 4


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
        self._remove_after = 0.0
        self._adoption = Adoption(scope, on_lost, reads)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions that this process delivers from now."""
        return tuple(self._partitions)

    def claim_own(self, folder: Path) -> None:
        """Claim the folder that this process writes to, unless an agent was faster."""
        if self._reads is Reads.NOTHING:
            return
        try:
            partition = Partition(folder, self._scope, self._on_lost)
            if partition.claim():
                self._partitions.append(partition)
        except (OSError, ForeignFolderError) as error:
            # No descriptor may be left, for example. The request has its record in the journal, and
            # rebalance() tries to claim the folder again.
            self._log.warning("own", "%s cannot be delivered now: %s", folder, error)

    def rebalance(self, own: Path | None) -> None:
        """Claim partitions of dead processes, and remove finished ones.

        :param own: the folder that this process writes to.
        """
        if self._reads is Reads.NOTHING:
            return
        claimed = {partition.folder for partition in self._partitions}
        for adopted in self._adoption.claim_new(claimed, own):
            self._partitions.append(adopted)
            if adopted.folder != own:
                # At once, so that a thousand finished folders need no thousand descriptors.
                self._try_to_collect(adopted)
            if self._has_adopted_enough():
                break
        for partition in self.partitions():
            if partition.folder != own and partition.folder in claimed:
                self._try_to_collect(partition)
        self._remove_leftovers()

    def drop_partition(self, folder: Path) -> Partition | None:
        """Stop delivering from a folder that was deleted."""
        for partition in self.partitions():
            if partition.folder == folder:
                self._partitions.remove(partition)
                partition.release()
                return partition
        return None

    def has_delivered(self, folder: Path) -> bool:
        """Return whether no record of a folder waits, so that it need not be fsynced."""
        for partition in self._partitions:
            if partition.folder == folder:
                with suppress(OSError):
                    return not partition.has_undelivered(partition.chests)
        return False

    def close(self) -> None:
        """Release all partitions; other processes deliver the remaining records."""
        for partition in self.partitions():
            self._partitions.remove(partition)
            try:
                partition.check_writer_alive()
                if partition.is_finished():
                    self._remove(partition)
            except OSError as error:
                self._log_unreadable(partition, error)
            finally:
                partition.release()

    def after_fork_in_child(self) -> None:
        """Close the child's copies of the locks; the parent keeps its claims."""
        for partition in self.partitions():
            partition.after_fork_in_child()

    def _has_adopted_enough(self) -> bool:
        adopted = sum(partition.writer_is_dead for partition in self._partitions)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return limit != resource.RLIM_INFINITY and adopted >= max(1, limit // _DESCRIPTOR_SHARE)

    def _try_to_collect(self, partition: Partition) -> None:
        try:
            self._collect_finished(partition)
        except OSError as error:
            self._log_unreadable(partition, error)

    def _log_unreadable(self, partition: Partition, error: OSError) -> None:
        self._log.warning("unreadable", "%s cannot be delivered: %s", partition.folder, error)

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
            if time.monotonic() >= self._remove_after:
                add_to_totals(self._scope, partition.ledger(), partition.folder.name)
                partition.remove()
        except OSError as error:
            self._remove_after = time.monotonic() + _REMOVAL_PAUSE
            self._log.warning(
                "totals",
                "the folder %s is finished and cannot be removed: %s",
                partition.folder,
                error,
            )
        finally:
            partition.release()

    def _remove_leftovers(self) -> None:
        with suppress(OSError):
            for path in list(self._scope.root.iterdir()):
                is_hidden = path.name[:1] == "." and WRITER_NAME.fullmatch(path.name[1:])
                is_draft = path.name.startswith("ledger.json.") and path.suffix == ".new"
                if not (is_hidden or is_draft):
                    continue
                if time.time() - path.stat().st_mtime > _HIDDEN_SECONDS:
                    path.unlink() if is_draft else _remove_unless_locked(path)


def _remove_unless_locked(folder: Path) -> None:
    lock = FileLock(folder / "alive.lock")
    if lock.try_acquire():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
