"""Which stretches of time a reader has to read from the row store besides the archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..query.time_intervals import HOUR, floor_to
from .archive import Archive, Snapshot

#: Seconds between the end of an hour and its archiving: most of its records are delivered by then.
GRACE = 300


@dataclass(frozen=True, slots=True)
class Coverage:
    """The stretches of time that may have rows which are in no part.

    :param open_from: the start of the open tail: seconds since 1970, UTC. All later rows count.
    :param late_hours: the starts of earlier hours, in order, that got late records. A row of them
        counts only if no part has its id.
    """

    open_from: int
    late_hours: tuple[int, ...]

    def stretches(self, since: int, until: int) -> list[tuple[int, int]]:
        """The parts of a range of time whose rows have to be read.

        :param since: microseconds since 1970, UTC.
        :param until: the end, exclusive.
        :returns: starts and ends in microseconds, in order, which do not overlap.
        """
        second = 1_000_000
        hours = [(hour * second, (hour + HOUR) * second) for hour in self.late_hours]
        found = [*hours, (self.open_from * second, until)]
        cut = [(max(since, start), min(until, end)) for start, end in found]
        return [(start, end) for start, end in cut if start < end]


def coverage(snapshot: Snapshot, late_hours: Iterable[int], now: float) -> Coverage:
    """Return what a reader has to read from the row store.

    :param snapshot: the state of the archive.
    :param late_hours: the hours that the store reports as late.
    :param now: the current time. Hours that are not over are open, also if a process whose clock
        was ahead archived them.
    """
    open_from = min(snapshot.until, floor_to(now - GRACE, HOUR))
    return Coverage(open_from, tuple(sorted(hour for hour in late_hours if hour < open_from)))


def archived_ids(
    archive: Archive, snapshot: Snapshot, stretches: Iterable[tuple[int, int]]
) -> set[str]:
    """Return the ids of the archived records of some stretches of time.

    :param stretches: starts and ends in microseconds since 1970, UTC.
    """
    found: set[str] = set()
    for start, end in stretches:
        parts = snapshot.between(start, end)
        if parts:
            rows = archive.rows(
                parts,
                "SELECT id FROM parts WHERE time >= make_timestamptz("  # noqa: S608
                f"{int(start)}) AND time < make_timestamptz({int(end)})",
            )
            found.update(row[0] for row in rows)
    return found
