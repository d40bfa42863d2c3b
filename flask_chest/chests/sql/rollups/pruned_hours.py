"""Prunes an hour: its rollups become rollups of pruned records, then its records are deleted.

The rollups of an hour or a day have two parts. The live part counts the records that are stored; it
can be computed again from them at any time. The pruned part counts the records that retention has
deleted; it only ever grows. So late, erased and imported records change the live part and no other.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import sqlalchemy as sa

from ....query.time_intervals import DAY, HOUR, floor_to, from_timestamp
from ...eraser import BATCH_SIZE
from ..store_protocols import Store
from ..table_names import PRUNED_PREFIX, state_key
from .rollup_row import Rollup, from_row, rollup_id, to_row


def is_pruned(columns: Any) -> sa.ColumnElement[bool]:
    """The condition for rows of the pruned part."""
    found: sa.ColumnElement[bool] = columns.id.startswith(PRUNED_PREFIX)
    return found


class PrunedHours:
    """Prunes the hours of one store, one after the other.

    Two rows of the maintenance table keep the state. ``pruned`` has the end of the last hour that
    was pruned. ``deleting`` has an hour whose records are counted as pruned and not all deleted.

    :param store: the store.
    :param engine: an engine of the store that nothing else uses.
    """

    def __init__(self, store: Store, engine: sa.Engine) -> None:
        self._store = store
        self._rollups = store.rollups
        self._state = store.maintenance
        self._engine = engine

    def prune(self, hour: int) -> Iterator[int]:
        """Prune an hour whose live rollups are up to date; yield the size of each batch.

        :param hour: seconds since 1970.
        """
        # First of all: if the archive cannot be written, the hour stays as it is.
        archived = self._archived(hour)
        with self._engine.begin() as connection:
            for rollup in self._take_live(connection, hour):
                self._change(connection, DAY, floor_to(hour, DAY), rollup, is_live=True)
                self._change(connection, DAY, floor_to(hour, DAY), rollup, is_live=False)
                self._change(connection, HOUR, hour, rollup, is_live=False)
            self._save(connection, "deleting", hour)
            until = self._load(connection, "pruned") or 0
            self._save(connection, "pruned", max(until, hour + HOUR))
        yield from self._delete_records(hour, archived)

    def finish(self) -> Iterator[int]:
        """Delete the rest of an hour whose pruning was interrupted; yield each batch's size."""
        with self._engine.connect() as connection:
            hour = self._load(connection, "deleting")
        if hour is not None:
            yield from self._delete_records(hour, self._archived(hour))

    def _take_live(self, connection: sa.Connection, hour: int) -> list[Rollup]:
        columns = self._rollups.columns
        is_of_hour = columns.step == HOUR, columns.start == hour, sa.not_(is_pruned(columns))
        rows = connection.execute(sa.select(self._rollups).where(*is_of_hour)).all()
        connection.execute(sa.delete(self._rollups).where(*is_of_hour))
        return [from_row(dict(row._mapping)) for row in rows]

    def _change(
        self, connection: sa.Connection, step: int, start: int, part: Rollup, *, is_live: bool
    ) -> None:
        """Subtract an hour from the live part of an interval, or add it to the pruned part."""
        identity = ("" if is_live else PRUNED_PREFIX) + rollup_id(step, start, part)
        is_row = self._rollups.columns.id == identity
        row = connection.execute(sa.select(self._rollups).where(is_row)).first()
        if row is None and is_live:
            return
        rollup = part
        if row is not None:
            rollup = from_row(dict(row._mapping))
            (rollup.subtract if is_live else rollup.merge)(part)
        connection.execute(sa.delete(self._rollups).where(is_row))
        if rollup.summary.rows > 0:
            values = {"id": identity, **to_row(step, start, rollup)}
            connection.execute(sa.insert(self._rollups).values(values))

    def _archived(self, hour: int) -> Container[str] | None:
        """The ids that the archive has of an hour; ``None`` without an archive."""
        archived_ids = self._store.archived_ids
        return None if archived_ids is None else archived_ids(hour)

    def _delete_records(self, hour: int, archived: Container[str] | None) -> Iterator[int]:
        table = self._store.records
        columns = table.columns
        begin, end = from_timestamp(hour), from_timestamp(hour + HOUR)
        some = sa.select(columns.id).where(columns.time >= begin, columns.time < end)
        some = some.order_by(columns.id).limit(BATCH_SIZE)
        after = ""
        while True:
            with self._engine.begin() as connection:
                ids = connection.execute(some.where(columns.id > after)).scalars().all()
                if not ids:
                    connection.execute(sa.delete(self._state).where(self._is_key("deleting")))
                    return
                after = ids[-1]
                # A record that came since the hour was archived stays.
                ids = [each for each in ids if archived is None or each in archived]
                connection.execute(sa.delete(table).where(columns.id.in_(ids)))
            yield len(ids)

    def _load(self, connection: sa.Connection, key: str) -> int | None:
        query = sa.select(self._state.columns.rolled_until).where(self._is_key(key))
        value: int | None = connection.execute(query).scalar()
        return value

    def _save(self, connection: sa.Connection, key: str, value: int) -> None:
        connection.execute(sa.delete(self._state).where(self._is_key(key)))
        row = {
            "table_name": state_key(self._store.records.name, key),
            "holder": "",
            "held_until": 0,
            "rolled_until": value,
        }
        connection.execute(sa.insert(self._state).values(row))

    def _is_key(self, key: str) -> sa.ColumnElement[bool]:
        name: sa.ColumnElement[bool] = self._state.columns.table_name == state_key(
            self._store.records.name, key
        )
        return name
