"""Archives the closed hours of one store, and late records in further parts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from ..chests.archive_source import ArchiveSource
from ..query.time_intervals import DAY, HOUR
from .archive import Archive
from .errors import ConflictError
from .part_writer import PartWriter

#: Seconds before the end of the archive that each run checks again for late records.
LOOK_BACK = 2 * DAY
#: Records of one part of an hour, so that writing takes little memory.
MAX_PART = 100_000
_MAX_ATTEMPTS = 50
_MICROSECONDS = 1_000_000
_HOURLY_COUNTS = "SELECT epoch_us(time) // 3600000000 * 3600, count(*) FROM parts GROUP BY 1"


class Archiver:
    """Archives the rows of one store. Its caller holds the lease of the store.

    :param archive: the archive.
    :param source: the rows.
    :param stop: set to stop after the current part.
    """

    def __init__(self, archive: Archive, source: ArchiveSource, stop: threading.Event) -> None:
        self._archive = archive
        self._source = source
        self._stop = stop
        self._counts: dict[str, Counter[int]] = {}

    def run(self, until: int, since: int | None = None) -> Iterator[int]:
        """Archive all hours before a time; yield the number of records of each part.

        :param until: a full hour: seconds since 1970, UTC.
        :param since: the start of the first hour. By default, a little before the end of the
            archive, which finds everything that was not reported as late.
        """
        late = self._source.late_hours()
        if since is None:
            since = max(0, self._archive.snapshot().until - LOOK_BACK)
        for hour in sorted(hour for hour in late if hour < min(since, until)):
            yield from self._archive_late_hour(hour, late[hour])
        for hour in self._hours(since, until):
            if hour in late:
                yield from self._archive_late_hour(hour, late[hour])
            elif self._source.count(hour, hour + HOUR) != self._archived(hour):
                yield from self.archive_hour(hour)

    def archive_hour(self, hour: int) -> Iterator[int]:
        """Archive the rows of an hour that are in no part; yield the number of each new part."""
        for attempt in range(_MAX_ATTEMPTS):
            try:
                yield from self._try_to_archive(hour)
            except ConflictError:
                # Another process had the lease, e.g. since this machine was suspended.
                if attempt + 1 == _MAX_ATTEMPTS:
                    raise
            else:
                return

    def _hours(self, since: int, until: int) -> Iterator[int]:
        hour = self._source.next_hour(since)
        while hour is not None and hour < until and not self._stop.is_set():
            yield hour
            hour = self._source.next_hour(hour + HOUR)

    def _archive_late_hour(self, hour: int, reports: int) -> Iterator[int]:
        yield from self.archive_hour(hour)
        if not self._stop.is_set():
            self._source.clear_late_hour(hour, reports)

    def _try_to_archive(self, hour: int) -> Iterator[int]:
        with closing(self._archive.connect()) as connection:
            writer = PartWriter(connection)
            for lines in self._source.lines(hour, hour + HOUR):
                writer.add(lines)
                if writer.count() >= MAX_PART:
                    yield from self._write(writer, hour)
                    writer = PartWriter(connection)
                if self._stop.is_set() or not self._source.renew_lease():
                    return
            yield from self._write(writer, hour)

    def _write(self, writer: PartWriter, hour: int) -> Iterator[int]:
        snapshot = self._archive.snapshot()
        start, end = hour * _MICROSECONDS, (hour + HOUR) * _MICROSECONDS
        parts = snapshot.between(start, end)
        with self._archive.reading(parts):
            writer.remove_ids([self._archive.path(part) for part in parts], start, end)
        count = writer.count()
        if not count:
            return
        with self._archive.storage.draft() as draft:
            file = draft, writer.finish(draft)
            self._archive.add(snapshot, hour, hour + HOUR, file)
        yield count

    def _archived(self, hour: int) -> int:
        """The number of archived records of an hour; -1 if another process changes it now."""
        start, end = hour * _MICROSECONDS, (hour + HOUR) * _MICROSECONDS
        found = 0
        for part in self._archive.snapshot().between(start, end):
            if part.first_time >= start and part.last_time < end:
                found += part.records
                continue
            if part.name not in self._counts:
                try:
                    with self._archive.reading([part]):
                        rows = self._archive.rows([part], _HOURLY_COUNTS)
                except ConflictError:
                    return -1
                self._counts[part.name] = Counter({row[0]: row[1] for row in rows})
            found += self._counts[part.name][hour]
        return found
