"""Deletes records from an SQL store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import exc

from ...query.eraser import BATCH_SIZE, Eraser
from .store import Store


class SQLEraser(Eraser):
    """Deletes rows from the table of records.

    :param store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = store.records
        self._engine = store.make_engine()
        # Searching for old records takes no lock; only the deletion itself does.
        self._read_only_engine = store.make_read_only_engine()

    def erase(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        delete = sa.delete(self._table).where(self._table.columns.id.in_(ids))
        try:
            with self._engine.begin() as connection:
                return connection.execute(delete).rowcount
        except exc.SQLAlchemyError as error:
            raise self._store.to_read_error(error) from None

    def prune(self, before: datetime) -> Iterator[int]:
        while ids := self._oldest(before):
            yield self.erase(ids)

    def close(self) -> None:
        self._read_only_engine.dispose()
        self._engine.dispose()

    def _oldest(self, before: datetime) -> list[str]:
        columns = self._table.columns
        older = sa.select(columns.id).where(columns.time < before)
        oldest = older.order_by(columns.time).limit(BATCH_SIZE)
        try:
            with self._read_only_engine.connect() as connection:
                return list(connection.execute(oldest).scalars().all())
        except exc.SQLAlchemyError as error:
            if self._store.is_missing_table(error):
                return []  # nothing has been delivered yet
            raise self._store.to_read_error(error) from None
