"""The rows of the store that no part has yet, as tables beside the parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..chests.archive_source import ArchiveSource
from ..record.json_line import encode
from ..record.record import Record
from .archive import Archive, Snapshot
from .columns import DOCUMENTS, column_name, plan_document
from .coverage import coverage
from .engine import literal
from .part_writer import PartWriter, _part_query

_MICROSECONDS = 1_000_000
#: The year 9999: seconds since 1970.
END = 253_402_300_799
# More tables make each question slower.
_MAX_TABLES = 16
# More rows are read again from the start, which is faster than by their ids.
_MAX_FETCHED = 5000

#: The stretches of time whose rows are read: starts and ends in microseconds since 1970.
Stretches = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TailTable:
    """One table of rows, with the columns of a part.

    :param name: the name of the table.
    :param columns: as of a manifest.
    :param rest: as of a manifest.
    """

    name: str
    columns: Mapping[str, list[tuple[str, str, str]]]
    rest: Mapping[str, int]


class Tail:
    """Keeps the open tail and late rows of one store in memory, up to date.

    A page asks several questions at once, so the rows are compared with the store at most once in
    :attr:`fresh_seconds`.

    :param archive: the archive.
    :param source: the rows of the store.
    :param fetch: returns stored records by id.
    :param connection: the connection of DuckDB whose tables these are.
    """

    #: Seconds for which the rows of the last question are used again.
    fresh_seconds = 1.0

    def __init__(
        self,
        archive: Archive,
        source: ArchiveSource,
        fetch: Callable[[list[str]], Iterable[Record]],
        connection: Any,
    ) -> None:
        self._archive = archive
        self._source = source
        self._fetch = fetch
        self._connection = connection
        self._stretches: Stretches = []
        self._known: set[str] = set()
        self._number = 0
        self._checked = float("-inf")
        self._snapshot: Snapshot | None = None
        self.tables: list[TailTable] = []

    def refresh(self) -> Snapshot:
        """Read what is new in the store; return the state of the archive to answer from."""
        if self._snapshot is not None and time.monotonic() - self._checked < self.fresh_seconds:
            return self._snapshot
        covered = coverage(self._archive.snapshot(), self._source.late_hours(), time.time())
        stretches = covered.stretches(0, END * _MICROSECONDS)
        has_changed = self._update(stretches)
        # After the rows: a row that was archived and deleted in between is in a part now.
        snapshot = self._archive.snapshot()
        if has_changed or self._snapshot is None or snapshot.number != self._snapshot.number:
            self._remove_archived(snapshot, stretches)
        self._snapshot, self._checked = snapshot, time.monotonic()
        return snapshot

    def invalidate(self) -> None:
        """Compare with the store at the next question, in any case."""
        self._snapshot = None

    def _update(self, stretches: Stretches) -> bool:
        """Return whether there are new rows."""
        if stretches != self._stretches or len(self.tables) > _MAX_TABLES:
            self._load(stretches)
            return True
        stored = {each for some in self._ids(stretches) for each in some}
        new = stored - self._known
        if len(new) > _MAX_FETCHED:
            self._load(stretches)
            return True
        self._remove(self._known - stored)
        if new:
            self._add([b"\n".join(map(encode, self._fetch(sorted(new))))])
        self._known = stored
        return bool(new)

    def _load(self, stretches: Stretches) -> None:
        for table in self.tables:
            self._connection.execute(f"DROP TABLE {table.name}")
        self.tables, self._known, self._snapshot = [], set(), None
        self._add(
            lines
            for start, end in stretches
            for lines in self._source.lines(start // _MICROSECONDS, end // _MICROSECONDS)
        )
        for table in self.tables:
            rows = self._connection.execute(f"SELECT id FROM {table.name}").fetchall()  # noqa: S608
            self._known.update(row[0] for row in rows)
        self._stretches = stretches

    def _ids(self, stretches: Stretches) -> Iterator[list[str]]:
        for start, end in stretches:
            yield from self._source.ids(start // _MICROSECONDS, end // _MICROSECONDS)

    def _add(self, lines: Iterable[bytes]) -> None:
        writer = TailWriter(self._connection)
        for some in lines:
            writer.add(some)
        if writer.count():
            self._number += 1
            self.tables.append(writer.finish_table(f"chest_tail_{self._number}"))

    def _remove(self, ids: Iterable[str]) -> None:
        listed = ", ".join(map(literal, ids))
        if listed:
            for table in self.tables:
                self._connection.execute(f"DELETE FROM {table.name} WHERE id IN ({listed})")  # noqa: S608

    def _remove_archived(self, snapshot: Snapshot, stretches: Stretches) -> None:
        for start, end in stretches:
            parts = snapshot.between(start, end)
            if not parts:
                continue
            within = f"time >= make_timestamptz({start}) AND time < make_timestamptz({end})"
            archived = self._archive.query(parts, f"SELECT id FROM parts WHERE {within}")  # noqa: S608
            for table in self.tables:
                self._connection.execute(f"DELETE FROM {table.name} WHERE id IN ({archived})")  # noqa: S608


class TailWriter(PartWriter):
    """Writes records to a table in memory: a file would outlive an erased record."""

    def finish_table(self, name: str) -> TailTable:
        """Write the table; at least one record was added."""
        plans = [plan_document(each, self._shapes(each)) for each in DOCUMENTS]
        for plan in plans:
            self._store_shapes(plan)
        self._connection.execute(f"CREATE TABLE {name} AS {_part_query(plans)}")
        rest = ", ".join(f"count({each})" for each in DOCUMENTS)
        counts = self._one(f"SELECT {rest} FROM {name}")  # noqa: S608
        columns = {
            plan.document: [
                (each, kind, column_name(plan.document, each, kind)) for each, kind in plan.columns
            ]
            for plan in plans
        }
        return TailTable(name, columns, dict(zip(DOCUMENTS, counts, strict=True)))
