"""Deletes records from a store, a few at a time, on a connection of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import ReadError

if TYPE_CHECKING:
    from ..chests.base import Chest
    from ..chests.mongodb.chest import FlaskChestMongoDB
    from ..chests.sql.chest import SQLChest

#: Records deleted at once: writers wait for no more than that.
BATCH = 500


class Eraser(ABC):
    """Deletes from one store.

    Every method raises :class:`flask_chest.errors.ReadError` when the store does not answer.
    """

    @abstractmethod
    def erase(self, ids: Sequence[str]) -> int:
        """Delete records by their ids; returns how many there were."""

    @abstractmethod
    def prune(self, before: datetime) -> Iterator[int]:
        """Delete what is older, in small batches; yields the size of each."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


def make_eraser(chest: Chest) -> Eraser | None:
    """An eraser for a chest; ``None`` where nothing can be taken back."""
    from ..chests.clickhouse.chest import FlaskChestClickHouse
    from ..chests.mongodb.chest import FlaskChestMongoDB
    from ..chests.sql.chest import SQLChest

    if isinstance(chest, SQLChest):
        return SQLEraser(chest)
    if isinstance(chest, FlaskChestMongoDB):
        return MongoEraser(chest)
    if isinstance(chest, FlaskChestClickHouse):
        from ..chests.clickhouse.eraser import ClickHouseEraser

        return ClickHouseEraser(chest)
    return None


class SQLEraser(Eraser):
    """Deletes rows of an SQL chest.

    :param chest: the chest.
    """

    def __init__(self, chest: SQLChest) -> None:
        self._chest = chest
        self._table = chest.records
        self._engine = chest.make_engine()
        # Reading takes no lock; only the delete itself is a writer among others.
        self._reading = chest.make_reading_engine()

    def erase(self, ids: Sequence[str]) -> int:
        import sqlalchemy as sa

        if not ids:
            return 0
        delete = sa.delete(self._table).where(self._table.columns.id.in_(ids))
        try:
            with self._engine.begin() as connection:
                return connection.execute(delete).rowcount
        except sa.exc.SQLAlchemyError as error:
            raise self._told(error) from None

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
                    connection.execute(old.order_by(columns.time).limit(BATCH)).scalars().all()
                )
        except sa.exc.SQLAlchemyError as error:
            if self._chest.has_no_table(error):
                return []  # nothing has been delivered yet
            raise self._told(error) from None

    def _told(self, error: Any) -> ReadError:
        cause = getattr(error, "orig", None) or error
        return ReadError(self._chest.explain(cause, self._chest.remedy(error)))


class MongoEraser(Eraser):
    """Deletes documents of a MongoDB chest.

    :param chest: the chest.
    """

    def __init__(self, chest: FlaskChestMongoDB) -> None:
        self._chest = chest
        self._client = chest.make_client()

    def erase(self, ids: Sequence[str]) -> int:
        from pymongo.errors import PyMongoError

        try:
            gone = self._records().delete_many({"_id": {"$in": list(ids)}})
        except PyMongoError as error:
            raise ReadError(self._chest.explain(error)) from None
        return int(gone.deleted_count)

    def prune(self, before: datetime) -> Iterator[int]:
        from pymongo.errors import PyMongoError

        while True:
            old = self._records().find({"time": {"$lt": before}}, {"_id": 1})
            try:
                ids = [each["_id"] for each in old.sort("time", 1).limit(BATCH)]
            except PyMongoError as error:
                raise ReadError(self._chest.explain(error)) from None
            if not ids:
                return
            yield self.erase(ids)

    def close(self) -> None:
        self._client.close()

    def _records(self) -> Any:
        return self._chest.collection_in(self._client)
