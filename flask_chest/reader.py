"""Reads records back from an SQL chest, without getting in the way of those who write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .encoding import FIELDS
from .errors import ConfigError
from .record import Record

if TYPE_CHECKING:
    from .chests.base import Chest
    from .chests.sql import SQLChest


# Parameters of one query: SQLite of old took no more than 999.
_AT_ONCE = 500


class Reader:
    """The records in one SQL chest.

    :param chest: the chest.
    """

    def __init__(self, chest: SQLChest) -> None:
        self._table = chest.records
        self._engine = chest.make_reading_engine()

    def latest(self, limit: int) -> list[Record]:
        """The newest records, oldest of them first.

        :param limit: how many.
        """
        query = sa.select(self._table).order_by(self._table.columns.id.desc()).limit(limit)
        return list(self._records(query))[::-1]

    def ids_after(self, record_id: str) -> set[str]:
        """The ids that are later than this one."""
        identity = self._table.columns.id
        return {row.id for row in self._rows(sa.select(identity).where(identity > record_id))}

    def pick(self, ids: Iterable[str]) -> Iterator[Record]:
        """Records by their ids, oldest first."""
        identity = self._table.columns.id
        wanted = sorted(ids)
        for start in range(0, len(wanted), _AT_ONCE):
            some = identity.in_(wanted[start : start + _AT_ONCE])
            yield from self._records(sa.select(self._table).where(some).order_by(identity))

    def _records(self, query: sa.Select[Any]) -> Iterator[Record]:
        return (_record(row._mapping) for row in self._rows(query))

    def _rows(self, query: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
        try:
            with self._engine.connect() as connection:
                yield from connection.execute(query)
        except sa.exc.OperationalError as error:
            if not _is_missing_table(error):
                raise

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()


def first_reader(chests: Iterable[Chest]) -> Reader:
    """A reader of the first chest that can be read.

    :raises ConfigError: there is none.
    """
    from .chests.sql import SQLChest

    listed: Sequence[Chest] = list(chests)
    for chest in listed:
        if isinstance(chest, SQLChest):
            return Reader(chest)
    names = ", ".join(chest.name for chest in listed) or "none"
    raise ConfigError(f"no chest of this app can be read back; an SQL one can (chests: {names})")


def _record(row: Any) -> Record:
    values = {name: row[name] for name in FIELDS}
    time: datetime = values["time"]
    values["time"] = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time
    return Record(**values)


def _is_missing_table(error: sa.exc.OperationalError) -> bool:
    # Nothing has been delivered yet.
    text = str(error.orig)
    return "no such table" in text or "unable to open database file" in text
