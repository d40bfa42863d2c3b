"""Adopts the records of dead processes: finds their folders, and claims them for delivery."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer_protocol import LossListener
from ..file_ownership import check_root
from .app_scope import JournalScope
from .file_names import writer_folders
from .partition import Partition, open_own
from .writer_description import ForeignFolderError

_logger = logging.getLogger("flask_chest.delivery")


class Reads(Enum):
    """Which records a process delivers."""

    #: None: an agent delivers them.
    NOTHING = "nothing"
    #: Its own, and those of dead processes.
    OWN_AND_ORPHANED = "own and orphaned"
    #: Those of all processes: it is the agent.
    ALL = "all"


class Adoption:
    """Finds folders that a process should deliver from, and claims them.

    :param scope: the app; folders of other apps are ignored.
    :param on_lost: called for records that are lost.
    :param reads: which records the process delivers.
    """

    def __init__(self, scope: JournalScope, on_lost: LossListener, reads: Reads) -> None:
        self._scope = scope
        self._on_lost = on_lost
        self._reads = reads
        self._log = LogThrottle(_logger)
        # Names of folders without records for the chests of this app.
        self._ignored: set[str] = set()

    def claim_new(self, claimed: Collection[Path], own: Path | None) -> Iterator[Partition]:
        """Claim and yield the partitions that this process should deliver from now on.

        :param claimed: the folders that it delivers from already.
        :param own: the folder that it writes to.
        """
        try:
            check_root(self._scope.root)
        except OSError as error:
            self._log.warning("unsafe", "%s", error)
            return
        folders = writer_folders(self._scope.root)
        self._ignored &= {folder.name for folder in folders}
        for folder in folders:
            if folder not in claimed and folder.name not in self._ignored:
                partition = self._try_to_claim(folder, folder == own)
                if partition is not None:
                    yield partition

    def ignore(self, partition: Partition, waiting: Sequence[str]) -> None:
        """Ignore a partition from now on: its remaining records are for unknown chests.

        :param waiting: the names of these chests.
        """
        self._ignored.add(partition.folder.name)
        self._log.warning(
            "unknown chest",
            "%s has records for %s, which this process does not know; they wait for a process that "
            "has that chest in CHEST_CHESTS; if there is none, delete the folder",
            partition.folder,
            " and ".join(map(repr, waiting)),
        )

    def _try_to_claim(self, folder: Path, own: bool) -> Partition | None:
        try:
            return self._inspect_partition(folder, own)
        except (FileNotFoundError, NotADirectoryError):
            return None  # another process is removing the folder
        except OSError as error:
            self._log.warning("unreadable", "%s cannot be delivered: %s", folder, error)
            return None

    def _inspect_partition(self, folder: Path, own: bool) -> Partition | None:
        try:
            partition = Partition(folder, self._scope, self._on_lost)
        except ForeignFolderError as error:
            self._log.warning("foreign", "%s", error)
            return None
        if not partition.description.belongs_to(self._scope):
            self._ignored.add(folder.name)
            self._log_other_app(partition)
            return None
        partition.check_writer_alive()
        if not (partition.writer_is_dead or own or self._reads is Reads.ALL):
            return None
        if not own and self._reads is not Reads.ALL and self._has_living_twins(partition):
            return None
        if not partition.claim():
            return None
        self._warn_of_moved_stores(partition)
        return partition

    def _has_living_twins(self, partition: Partition) -> bool:
        """Return whether another service of the app's name delivers to the partition's stores.

        Services in containers may have the same name and paths, and share a volume by mistake.
        """
        if partition.description.has_stores_of(self._scope):
            return False
        for folder in writer_folders(self._scope.root):
            twin = open_own(folder, self._scope)
            if twin is not None and twin.description.locations == partition.description.locations:
                twin.check_writer_alive()
                if not twin.writer_is_dead:
                    return True
        return False

    def _log_other_app(self, partition: Partition) -> None:
        app = partition.description
        if app.app_name != self._scope.app_name:
            _logger.info(
                "%s belongs to the app %r, which delivers it itself", partition.folder, app.app_name
            )
            return
        self._log.warning(
            "namesake",
            "%s was written by another app with the name %r, in %s, with other stores; that app "
            "has to deliver it; give each app its own CHEST_JOURNAL_DIR",
            partition.folder,
            app.app_name,
            app.root_path,
        )

    def _warn_of_moved_stores(self, partition: Partition) -> None:
        for name, (old, new) in partition.moved_stores.items():
            if partition.has_undelivered([name]):
                self._log.warning(
                    "moved",
                    "chest %r was at %s and is now at %s: its waiting records are delivered there",
                    name,
                    old,
                    new,
                )
