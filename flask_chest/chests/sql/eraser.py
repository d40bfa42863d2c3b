"""Deletes records from an SQL store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ...query.eraser import BATCH_SIZE, Eraser

if TYPE_CHECKING:
    from .chest import SQLChest


class SQLEraser(Eraser):
    """Deletes rows of an SQL chest.

    :param chest: the chest.
    """

    def __init__(self, chest: SQLChest) -> None:
        self._chest = chest
        self._table = chest.records
        self._engine = chest.make_engine()
        # Reading takes no lock; only the delete itself is a writer among others.
        self._reading = chest.make_read_only_engine()

    def erase(self, ids: Sequence[str]) -> int:
        import sqlalchemy as sa

        if not ids:
            return 0
        delete = sa.delete(self._table).where(self._table.columns.id.in_(ids))
        try:
            with self._engine.begin() as connection:
                return connection.execute(delete).rowcount
        except sa.exc.SQLAlchemyError as error:
            raise self._chest.to_read_error(error) from None

    def prune(self, before: datetime) -> Iterator[int]:
        while ids := self._oldest(before):
            yield self.erase(ids)

    def close(self) -> None:
        self._reading.dispose()
        self._engine.dispose()

    def _oldest(self, before: datetime) -> list[str]:
        import sqlalchemy as sa

        columns = self._table.columns
        old = sa.select(columns.id).where(columns.time < before)
        try:
            with self._reading.connect() as connection:
                return list(
                    connection.execute(old.order_by(columns.time).limit(BATCH_SIZE)).scalars().all()
                )
        except sa.exc.SQLAlchemyError as error:
            if self._chest.is_missing_table(error):
                return []  # nothing has been delivered yet
            raise self._chest.to_read_error(error) from None
