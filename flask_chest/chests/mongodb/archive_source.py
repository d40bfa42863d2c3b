"""The documents of a MongoDB store, as the archive reads them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...query.time_intervals import HOUR, floor_to, from_timestamp, to_utc
from ...record.json_line import encode
from ..archive_source import LEASE_SECONDS, ArchiveSource, lease_holder
from .client import CollectionConnection
from .documents import to_record
from .late_hours import STORE_ID, pending_hours, report_hours

_PAGE = 2000
_LEASE = "lease"


class MongoArchiveSource(ArchiveSource):
    """The documents of one collection.

    :param records: a connection to the collection of records.
    :param state: a connection to the collection of the archive's state.
    """

    def __init__(self, records: CollectionConnection, state: CollectionConnection) -> None:
        self._records = records
        self._state = state
        self._holder = lease_holder()
        self._renew_at = 0.0

    def store_id(self, *, create: bool = False) -> str | None:
        new = {"_id": STORE_ID, "value": uuid.uuid4().hex}
        if create:
            self._state.run(
                lambda state: state.update_one(
                    {"_id": STORE_ID}, {"$setOnInsert": {"value": new["value"]}}, upsert=True
                )
            )
        found = self._state.run(lambda state: state.find_one({"_id": STORE_ID}))
        return None if found is None else str(found["value"])

    def late_hours(self) -> Mapping[int, int]:
        return self._state.run(pending_hours)

    def report_late_hours(self, hours: Iterable[int]) -> None:
        self._state.run(lambda state: report_hours(state, hours))

    def clear_late_hour(self, hour: int, reports: int) -> None:
        unchanged = {"hour": hour, "reports": reports}
        self._state.run(lambda state: state.delete_one(unchanged))

    def next_hour(self, after: int) -> int | None:
        later = {"time": {"$gte": from_timestamp(after)}}
        found = self._records.run(
            lambda records: list(records.find(later, {"time": 1}).sort("time", 1).limit(1))
        )
        return floor_to(to_utc(found[0]["time"]).timestamp(), HOUR) if found else None

    def count(self, start: int, end: int) -> int:
        return self._records.run(lambda records: int(records.count_documents(_within(start, end))))

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        page: list[bytes] = []
        for document in self._documents(
            lambda records: records.find(_within(start, end)).sort([("time", 1), ("_id", 1)])
        ):
            page.append(encode(to_record(document)))
            if len(page) >= _PAGE:
                yield b"\n".join(page)
                page.clear()
        if page:
            yield b"\n".join(page)

    def ids(self, start: int, end: int) -> Iterator[list[str]]:
        page: list[str] = []
        for document in self._documents(
            lambda records: records.find(_within(start, end), {"_id": 1})
        ):
            page.append(document["_id"])
            if len(page) >= _PAGE:
                yield page
                page = []
        if page:
            yield page

    def delete(self, ids: list[str]) -> int:
        meant = {"_id": {"$in": ids}}
        return self._records.run(lambda records: int(records.delete_many(meant).deleted_count))

    def acquire_lease(self) -> bool:
        now = int(time.time())
        is_free = {"$or": [{"until": {"$lt": now}}, {"until": {"$gt": now + 2 * LEASE_SECONDS}}]}
        mine = {"$set": {"holder": self._holder, "until": now + LEASE_SECONDS}}
        self._renew_at = time.monotonic() + LEASE_SECONDS / 10

        def acquire(state: Any) -> bool:
            own = {"_id": _LEASE, "$or": [{"holder": self._holder}, is_free]}
            if state.update_one(own, mine).matched_count:
                return True
            created = {"$setOnInsert": mine["$set"]}
            found = state.update_one({"_id": _LEASE}, created, upsert=True)
            return found.upserted_id is not None

        return self._state.run(acquire)

    def renew_lease(self) -> bool:
        return time.monotonic() < self._renew_at or self.acquire_lease()

    def release_lease(self) -> None:
        own = {"_id": _LEASE, "holder": self._holder}
        self._state.run(lambda state: state.delete_one(own))

    def close(self) -> None:
        self._records.close()
        self._state.close()

    def _documents(self, find: Callable[[Any], Any]) -> Iterator[Mapping[str, Any]]:
        cursor = self._records.run(lambda records: iter(find(records).batch_size(_PAGE)))
        while (document := self._records.run(lambda _: next(cursor, None))) is not None:
            yield document


def _within(start: int, end: int) -> dict[str, Any]:
    return {"time": {"$gte": from_timestamp(start), "$lt": from_timestamp(end)}}
