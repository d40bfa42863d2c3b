"""The archive of one chest: finds it, keeps it up to date, erases from it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any

from ..chests.archive_source import ArchiveSource
from ..chests.base import Chest
from ..chests.reader import Reader
from ..errors import ReadError
from ..query.query import Query
from ..query.time_intervals import HOUR
from ..record.record import Record
from .archive import Archive
from .archiver import Archiver
from .coverage import archived_ids
from .engine import as_archive_errors
from .part_erasure import drop_before, erase, matching_records
from .part_merging import merge_days
from .storage import open_storage

_logger = logging.getLogger("flask_chest.maintenance")

#: Seconds to wait for another process that writes the archive.
LEASE_TIMEOUT = 60.0
_LEASE_INTERVAL = 0.25
_MICROSECONDS = 1_000_000


class StoreArchive:
    """The archive of one chest that can be read back.

    :param chest: the chest.
    :param place: a folder, or a URL such as ``s3://bucket/prefix``.
    :param options: arguments of the driver of an object store.
    """

    def __init__(self, chest: Chest, place: str, options: dict[str, Any] | None = None) -> None:
        self.chest = chest
        self.place = place
        self._options = options

    def find(self, source: ArchiveSource, *, create: bool = False) -> Archive | None:
        """Return the archive of a store; ``None`` if it has none.

        :param create: give the store an archive if it has tables.
        """
        identity = source.store_id(create=create)
        if identity is None:
            return None
        folder = f"{self.place.rstrip('/')}/{self.chest.name}-{identity[:12]}"
        return Archive(open_storage(folder, self._options))

    def reader(self, store: Reader) -> Reader:
        """Return a reader of the archive and of the store, or the store's if it has no archive.

        :param store: a reader of the store; closed with the returned one.
        """
        from .reader import ArchiveReader

        source = self.chest.archive_source()
        if source is None:
            return store
        try:
            archive = self.find(source)
            if archive is not None:
                return ArchiveReader(archive, source, store)
        except BaseException:
            source.close()
            store.close()
            raise
        source.close()
        return store

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> bool:
        """Archive the hours before ``until``, merge days, drop what is too old.

        :param until: a full hour: seconds since 1970, UTC.
        :param retention: seconds that the archive keeps records; ``None`` keeps them forever.
        :returns: whether it was done; ``False`` if another process is writing the archive.
        """
        with self._writing(0.0) as (archive, source):
            if archive is None:
                return source is not None
            archive.collect_garbage()
            for _ in self._archive(archive, source, until, stop):
                pass
            merge_days(archive, until, stop)
            if retention is not None:
                drop_before(archive, int(time.time() - retention))
        return True

    def archive(self, until: int, stop: threading.Event) -> Iterator[int]:
        """Archive all hours before ``until`` that are in no part; yield the size of each part.

        Every file is checked, and a damaged part is written again from the rows of the store.

        :raises ReadError: the store does not answer, or another process is writing the archive.
        """
        with self._writing(LEASE_TIMEOUT) as (archive, source):
            if archive is None:
                return
            archive.collect_garbage()
            self._restore(archive, source, thorough=True)
            yield from Archiver(archive, source, stop).run(until, since=0)
            merge_days(archive, until, stop)

    def pending(self, until: int) -> int:
        """The number of rows before ``until`` that are in no part, about: seconds since 1970."""
        with self._reading() as (archive, source):
            if source is None:
                return 0
            parts = archive.snapshot().parts if archive is not None else ()
            return max(0, source.count(0, until) - sum(part.records for part in parts))

    def archived_ids(self, hour: int) -> Container[str]:
        """Archive an hour whose rows are about to be deleted; return the ids that parts have.

        :param hour: its start: seconds since 1970, UTC.
        """
        with self._writing(LEASE_TIMEOUT) as (archive, source):
            if archive is None:
                return ()
            for _ in Archiver(archive, source, threading.Event()).archive_hour(hour):
                pass
            stretch = hour * _MICROSECONDS, (hour + HOUR) * _MICROSECONDS
            snapshot = archive.snapshot()
            for part in snapshot.between(*stretch):
                archive.verify(part)
            return archived_ids(archive, snapshot, [stretch])

    def erase(self, query: Query) -> Iterator[int]:
        """Erase the archived records of a query; yield the number for each part that had some."""
        with self._writing(LEASE_TIMEOUT) as (archive, _):
            if archive is not None:
                yield from erase(archive, query)
                archive.collect_garbage()

    def drop_before(self, before: int) -> int:
        """Remove the parts that end before a time; return their number of records."""
        with self._writing(LEASE_TIMEOUT) as (archive, _):
            return 0 if archive is None else drop_before(archive, before)

    def records(self, query: Query) -> Iterator[Record]:
        """Yield the archived records of a query."""
        with self._reading() as (archive, _):
            if archive is not None:
                yield from matching_records(archive, query)

    def _archive(
        self, archive: Archive, source: ArchiveSource, until: int, stop: threading.Event
    ) -> Iterator[int]:
        self._restore(archive, source, thorough=False)
        yield from Archiver(archive, source, stop).run(until)

    def _restore(self, archive: Archive, source: ArchiveSource, *, thorough: bool) -> None:
        """Replace damaged parts whose rows are in the store, and log those that are lost."""
        for part, error in archive.damaged_parts(thorough=thorough):
            snapshot = archive.snapshot()
            within = [
                each
                for each in snapshot.overlapping(part.start, part.end)
                if part.start <= each.start and each.end <= part.end
            ]
            if source.count(part.start, part.end) < sum(each.records for each in within):
                _logger.error("%s; its rows are deleted: restore the file from a backup", error)
                continue
            _logger.warning("%s; it is written again from the rows of the store", error)
            # From here on readers read these hours from the store, and the archiver archives them.
            source.report_late_hours(range(part.start, part.end, HOUR))
            archive.add(snapshot, part.start, part.end, None, [part])

    @contextmanager
    def _reading(self) -> Iterator[tuple[Archive | None, ArchiveSource | None]]:
        source = self.chest.archive_source()
        if source is None:
            yield None, None
            return
        try:
            yield self.find(source), source
        finally:
            source.close()

    @contextmanager
    def _writing(self, timeout: float) -> Iterator[tuple[Archive | None, Any]]:
        """Hold the lease of the store; yield the archive, or ``None`` if there is none to write.

        :param timeout: seconds to wait for another process; 0 yields ``None`` twice then.
        """
        source = self.chest.archive_source()
        if source is None:
            yield None, None
            return
        try:
            archive = self.find(source, create=True)
            if archive is None:
                yield None, source
                return
            if not _acquire(source, timeout):
                if timeout:
                    raise ReadError(
                        f"chest {self.chest.name!r}: another process is writing the archive; "
                        "try again later"
                    )
                yield None, None
                return
            try:
                with as_archive_errors(self.place):
                    yield archive, source
            finally:
                source.release_lease()
        finally:
            source.close()


def _acquire(source: ArchiveSource, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not source.acquire_lease():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LEASE_INTERVAL)
    return True
