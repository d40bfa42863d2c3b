"""Merges the parts of the hours of a day, so that a question opens few files."""

from __future__ import annotations

import threading

from ..query.time_intervals import DAY, HOUR, floor_to
from .archive import Archive, Snapshot
from .errors import ConflictError
from .manifest import Manifest
from .part_rewriting import MAX_COLUMNS, rewrite, typed_columns

#: Parts with late records of a day that was merged before they are merged as well. A part of a day
#: is never written again for one late record.
MIN_LATE_PARTS = 8


def merge_days(archive: Archive, until: int, stop: threading.Event) -> None:
    """Merge the hours of each day that is over.

    :param until: the end of the last hour that was archived: seconds since 1970, UTC.
    :param stop: set to stop after the current day.
    """
    for day in sorted({floor_to(part.start, DAY) for part in archive.snapshot().parts}):
        if stop.is_set():
            return
        # An hour later: the last hour of the day may still get records.
        if day + DAY + HOUR <= until:
            _merge_day(archive, day)


def _merge_day(archive: Archive, day: int) -> None:
    snapshot = archive.snapshot()
    parts = _mergeable(snapshot, day)
    if not parts or sum(map(len, typed_columns(parts).values())) > MAX_COLUMNS:
        return
    try:
        with archive.reading(parts):
            rewrite(archive, snapshot, parts, day, day + DAY)
    except ConflictError:
        return  # the next run merges them


def _mergeable(snapshot: Snapshot, day: int) -> list[Manifest]:
    parts = [part for part in snapshot.parts if day <= part.start and part.end <= day + DAY]
    hours = [part for part in parts if part.end - part.start <= HOUR]
    least = 2 if len(hours) == len(parts) else MIN_LATE_PARTS
    return hours if len(hours) >= least else []
