"""Deletes records from MongoDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ..eraser import BATCH_SIZE, Eraser
from .client import CollectionConnection


class MongoEraser(Eraser):
    """Deletes documents of one collection.

    :param connection: a connection of the eraser's own.
    """

    def __init__(self, connection: CollectionConnection) -> None:
        self._connection = connection

    def erase(self, ids: Sequence[str]) -> int:
        condition = {"_id": {"$in": list(ids)}}
        deleted = self._connection.run(lambda records: records.delete_many(condition))
        return int(deleted.deleted_count)

    def prune(self, before: datetime) -> Iterator[int]:
        def oldest_ids(records: Any) -> list[str]:
            old = records.find({"time": {"$lt": before}}, {"_id": 1})
            return [each["_id"] for each in old.sort("time", 1).limit(BATCH_SIZE)]

        while ids := self._connection.run(oldest_ids):
            yield self.erase(ids)

    def close(self) -> None:
        self._connection.close()
