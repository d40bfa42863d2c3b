"""Deletes records from MongoDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...query.eraser import BATCH_SIZE, Eraser

if TYPE_CHECKING:
    from .chest import FlaskChestMongoDB


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
            raise self._chest.to_read_error(error) from None
        return int(gone.deleted_count)

    def prune(self, before: datetime) -> Iterator[int]:
        from pymongo.errors import PyMongoError

        while True:
            old = self._records().find({"time": {"$lt": before}}, {"_id": 1})
            try:
                ids = [each["_id"] for each in old.sort("time", 1).limit(BATCH_SIZE)]
            except PyMongoError as error:
                raise self._chest.to_read_error(error) from None
            if not ids:
                return
            yield self.erase(ids)

    def close(self) -> None:
        self._client.close()

    def _records(self) -> Any:
        return self._chest.collection_in(self._client)
