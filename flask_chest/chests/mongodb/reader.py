"""Reads a MongoDB chest, through aggregation pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from ...query.aggregation import aggregate_answer, aggregate_series, limit_lines, subtract_groups
from ...query.formatting import value_text
from ...query.query import Query
from ...query.reader import PAGE, SCAN_LIMIT, Reader, merge_records
from ...query.summary import Answer, Series
from ...query.time_slices import MAX_RECORDS, SAMPLE_SIZE, SliceCache, TimeSlices, choose_slices
from ...record.record import Record
from ..sql.aggregate import GROUPS
from .documents import read_document
from .pipeline import condition, figures, top, whether

if TYPE_CHECKING:
    from .chest import FlaskChestMongoDB

T = TypeVar("T")


class MongoReader(Reader):
    """The records of one MongoDB chest.

    :param chest: the chest; a connection of our own is made to its address.
    """

    #: Of so many records all are looked at; of more than that, how many at most.
    max_records, sample_size = MAX_RECORDS, SAMPLE_SIZE

    def __init__(self, chest: FlaskChestMongoDB) -> None:
        super().__init__(chest.name)
        self._chest = chest
        self._client: Any = None
        self._chosen = SliceCache()

    def latest(self, limit: int) -> list[Record]:
        return self._records({}, {"_id": -1}, limit)[::-1] if limit else []

    def ids_after(self, record_id: str) -> set[str]:
        later = {"_id": {"$gt": record_id}}
        return self._told(
            lambda: {each["_id"] for each in self._records_of().find(later, {"_id": 1})}
        )

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        yield from self._records({"_id": {"$in": sorted(ids)}}, {"_id": 1}, 0)

    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        # A record's id may be the request's id of others: of those that it was handed on to.
        own, others = (self._find(each, identity, limit) for each in ("_id", "request_id"))
        if own or others:
            return merge_records(own, others)[:limit]
        if len(identity) != 32:
            return []  # it has no index: ask only what can be one
        return self._find("trace_id", identity, limit)

    def _find(self, name: str, identity: str, limit: int) -> list[Record]:
        return self._records({name: identity}, {"_id": 1}, limit)

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        if not limit:
            return []  # MongoDB's 0 stands for all
        where = self._where(query)
        if after:
            last = self._told(lambda: self._records_of().find_one({"_id": after}, {"time": 1}))
            if last is None:
                return []
            earlier = [
                {"time": {"$lt": last["time"]}},
                {"time": last["time"], "_id": {"$lt": after}},
            ]
            where = {"$and": [where, {"$or": earlier}]}
        return self._records(where, {"time": -1, "_id": -1}, limit)

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        where = whether([(query.since, query.until)])
        found = self._told(
            lambda: list(
                self._records_of().find(where, {"time": 1}).sort("time", -1).skip(records).limit(1)
            )
        )
        return found[0]["time"].replace(tzinfo=timezone.utc) if found else None

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        cursor = self._told(
            lambda: iter(
                self._records_of()
                .find(self._where(query))
                .sort([("time", 1), ("_id", 1)])
                .batch_size(page)
            )
        )
        while (document := self._told(lambda: next(cursor, None))) is not None:
            yield read_document(document)

    def count(self, query: Query) -> int:
        return self._told(lambda: int(self._records_of().count_documents(self._where(query))))

    def answer(self, query: Query, limit: int = 20) -> Answer:
        slices = self._slices(query)
        match = {"$match": self._where(query, slices)}
        rows = self._rows([match, *figures(query, limit=GROUPS)])
        if len(rows) < GROUPS:
            return aggregate_answer(_merged(rows), slices.fraction, limit)
        keys = self._told(
            lambda: [
                each["_id"]["k"]
                for each in self._records_of().aggregate([match, *top(query, limit)])
            ]
        )
        rows = self._rows([match, *figures(query, keys=keys)])
        found = aggregate_answer(_merged(rows), slices.fraction, limit)
        rows = self._rows([match, *figures(query.grouped(None))])
        whole = aggregate_answer(_merged(rows), slices.fraction, 1).whole
        rest = subtract_groups(whole, found.groups)
        return Answer(found.groups, rest, slices.fraction, complete=False)

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        slices = self._slices(query)
        match = {"$match": self._where(query, slices)}
        # Not the given ones, which are texts: here values have their types.
        found = None
        if query.by is not None:
            found = self._told(
                lambda: [
                    each["_id"]["k"]
                    for each in self._records_of().aggregate([match, *top(query, lines)])
                ]
            )
        rows = self._rows([match, *figures(query, keys=found, step=step)])
        series = aggregate_series(_merged(rows), query, step, slices.fraction)
        return series if found is None else limit_lines(series, lines, slices.fraction)

    def names(self, query: Query) -> list[str]:
        near = self.scan_start(query) or query.since
        recent = self.page(replace(query, since=near), limit=PAGE * 2)
        return sorted({name for record in recent for name in record.vars})

    def check(self) -> None:
        self._told(lambda: self._records_of().find_one({}, {"_id": 1}))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _slices(self, query: Query) -> TimeSlices:
        if query.is_for_one_request:
            return TimeSlices(((query.since, query.until),), 1.0)
        return self._chosen.get(
            query,
            lambda: choose_slices(
                query.since,
                query.until,
                self._count_in,
                lambda: self._edges(query),
                max_records=self.max_records,
                sample_size=self.sample_size,
            ),
        )

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        within = whether([(query.since, query.until)])

        def ask(order: int) -> list[Any]:
            found = self._records_of().find(within, {"time": 1}).sort("time", order)
            return [each["time"].replace(tzinfo=timezone.utc) for each in found.limit(1)]

        first, last = self._told(lambda: ask(1)), self._told(lambda: ask(-1))
        # They may have been pruned a moment ago.
        return (first or [query.since])[0], (last or [query.until])[0]

    def _count_in(self, slices: TimeSlices, limit: int) -> int:
        where = whether(slices.ranges)
        return self._told(lambda: int(self._records_of().count_documents(where, limit=limit)))

    def _where(self, query: Query, slices: TimeSlices | None = None) -> dict[str, Any]:
        ranges = ((query.since, query.until),) if slices is None else slices.ranges
        return {"$and": [whether(ranges), *(condition(each) for each in query.where)]}

    def _rows(self, pipeline: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
        return self._told(lambda: list(self._records_of().aggregate(pipeline, allowDiskUse=True)))

    def _records(
        self, where: Mapping[str, Any], order: Mapping[str, int], limit: int
    ) -> list[Record]:
        return self._told(
            lambda: [
                read_document(each)
                for each in self._records_of().find(where).sort(list(order.items())).limit(limit)
            ]
        )

    def _records_of(self) -> Any:
        if self._client is None:
            self._client = self._chest.make_client()
        return self._chest.collection_in(self._client)

    def _told(self, ask: Callable[[], T]) -> T:
        from pymongo.errors import PyMongoError

        try:
            return ask()
        except PyMongoError as error:
            raise self._chest.to_read_error(error) from None


def _merged(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Rows as they come from a database that tells values by their text alone."""
    for row in rows:
        group = row["_id"]
        code = group.get("code")
        low, high = (row["low"], row["high"]) if code is not None else (None, None)
        place = value_text(group.get("k")), group.get("b") or 0, code
        yield (*place, row["n"], row["w"], row["e"], row["s"], low, high)
