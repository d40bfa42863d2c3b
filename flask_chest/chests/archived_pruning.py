"""Deletes old rows that the archive has, hour by hour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator
from datetime import datetime
from typing import Protocol

from ..query.time_intervals import HOUR
from .archive_source import ArchiveSource


class _Chest(Protocol):
    def archive_source(self) -> ArchiveSource | None: ...


def prune_archived(
    chest: _Chest,
    archived_ids: Callable[[int], Container[str]],
    before: datetime,
    stop: threading.Event,
) -> Iterator[int]:
    """Delete the archived rows of all hours before a time; yield the size of each batch.

    :param archived_ids: archives the rows of an hour, and returns the ids that the archive has.
    :param before: a full hour, UTC.
    :param stop: set to stop after the current batch.
    """
    source = chest.archive_source()
    if source is None:
        return
    try:
        hour = source.next_hour(0)
        while hour is not None and hour < before.timestamp():
            archived = archived_ids(hour)
            for ids in list(source.ids(hour, hour + HOUR)):
                yield source.delete([each for each in ids if each in archived])
                if stop.is_set():
                    return
            hour = source.next_hour(hour + HOUR)
    finally:
        source.close()
