"""Reads records from MongoDB, through aggregation pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ...query.aggregation import (
    MAX_ROWS,
    aggregate_answer,
    aggregate_series,
    biggest_keys,
    limit_lines,
    rank,
)
from ...query.answer import Answer, Series
from ...query.fields import Field
from ...query.filter_matching import value_matches
from ...query.filter_parsing import Filter
from ...query.query import Query
from ...query.time_slices import TimeSlices
from ...query.values import spelling
from ...record.record import Record
from ..reader import PAGE, SCAN_LIMIT
from ..sampling_reader import SamplingReader
from .client import CollectionConnection
from .documents import field_path, from_stored, to_record
from .pipeline import aggregates, condition, in_ranges, is_one_of, weights


class MongoReader(SamplingReader):
    """Reads one collection.

    :param name: the chest's name.
    :param connection: a connection of the reader's own.
    """

    def __init__(self, name: str, connection: CollectionConnection) -> None:
        super().__init__(name)
        self._connection = connection
        self._run = connection.run

    def latest(self, limit: int) -> list[Record]:
        return self._records({}, {"_id": -1}, limit)[::-1] if limit else []

    def ids_after(self, record_id: str) -> set[str]:
        later = {"_id": {"$gt": record_id}}
        return self._run(lambda records: {each["_id"] for each in records.find(later, {"_id": 1})})

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        yield from self._records({"_id": {"$in": sorted(ids)}}, {"_id": 1}, 0)

    def _find(self, field: str, identity: str, limit: int) -> list[Record]:
        name = "_id" if field == "id" else field
        return self._records({name: identity}, {"_id": 1}, limit)

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        if not limit:
            return []  # to MongoDB, a limit of 0 means no limit
        where = self._where(query)
        if after:
            last = self._run(lambda records: records.find_one({"_id": after}, {"time": 1}))
            if last is None:
                return []
            earlier = [
                {"time": {"$lt": last["time"]}},
                {"time": last["time"], "_id": {"$lt": after}},
            ]
            where = {"$and": [where, {"$or": earlier}]}
        return self._records(where, {"time": -1, "_id": -1}, limit)

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        where = in_ranges([(query.since, query.until)])
        found = self._run(
            lambda stored: list(
                stored.find(where, {"time": 1}).sort("time", -1).skip(records).limit(1)
            )
        )
        return found[0]["time"].replace(tzinfo=timezone.utc) if found else None

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        cursor = self._run(
            lambda records: iter(
                records.find(self._where(query)).sort([("time", 1), ("_id", 1)]).batch_size(page)
            )
        )
        while (document := self._run(lambda _: next(cursor, None))) is not None:
            yield to_record(document)

    def count(self, query: Query) -> int:
        return self._run(lambda records: int(records.count_documents(self._where(query))))

    def _answer(self, query: Query, slices: TimeSlices, limit: int) -> Answer:
        match = {"$match": self._where(query, slices)}
        rows = self._rows([match, *aggregates(query, limit=_limit(query))])
        if len(rows) <= MAX_ROWS or not query.may_have_many_groups:
            return aggregate_answer(_to_rows(query.by, rows), slices.fraction, limit)
        keys = self._top(match, query, limit)
        rows = self._rows([match, *aggregates(query, keys=keys)])
        found = aggregate_answer(_to_rows(query.by, rows), slices.fraction, limit)
        rows = self._rows([match, *aggregates(query, others=keys)])
        rest = aggregate_answer(_to_rows(query.by, rows), slices.fraction, 1).whole
        rest.merge(found.rest)  # of two groups with equal values, such as 42 and 42.0
        return Answer(found.groups, rest, slices.fraction, complete=False)

    def _series(
        self,
        query: Query,
        slices: TimeSlices,
        step: float,
        lines: int,
        keys: Sequence[str | None] | None,
    ) -> Series:
        match = {"$match": self._where(query, slices)}
        stages = aggregates(query, step=step, limit=_limit(query))
        found = self._rows([match, *stages])
        if len(found) > MAX_ROWS and query.may_have_many_groups:
            top = self._top(match, query, lines, keys)
            found = self._rows([match, *aggregates(query, keys=top, step=step)])
        rows = list(_to_rows(query.by, found))
        if query.by is None:
            return aggregate_series(rows, query, step, slices.fraction)
        chosen = biggest_keys(rows, lines) if keys is None else keys
        rows = [row for row in rows if row[0] in chosen]
        series = aggregate_series(rows, query, step, slices.fraction)
        return limit_lines(series, lines, slices.fraction, keys)

    def check(self) -> None:
        self._run(lambda records: records.find_one({}, {"_id": 1}))

    def close(self) -> None:
        self._connection.close()

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        within = in_ranges([(query.since, query.until)])

        def first_time(records: Any, order: int) -> list[Any]:
            found = records.find(within, {"time": 1}).sort("time", order).limit(1)
            return [each["time"].replace(tzinfo=timezone.utc) for each in found]

        first = self._run(lambda records: first_time(records, 1))
        last = self._run(lambda records: first_time(records, -1))
        # The records may have been pruned a moment ago.
        return (first or [query.since])[0], (last or [query.until])[0]

    def _count_in(self, slices: TimeSlices, limit: int) -> int:
        where = in_ranges(slices.ranges)
        return self._run(lambda records: int(records.count_documents(where, limit=limit)))

    def _where(self, query: Query, slices: TimeSlices | None = None) -> dict[str, Any]:
        ranges = ((query.since, query.until),) if slices is None else slices.ranges
        within = in_ranges(ranges)

        def decide(wanted: Filter, is_open: dict[str, Any]) -> dict[str, Any]:
            is_candidate = {"$and": [within, is_open]}
            if wanted.literal.kind == "document" and wanted.operator != "~":
                return self._with_ids(wanted, is_candidate)
            found = [
                each
                for each in self._distinct(wanted.field, is_candidate)
                if value_matches(from_stored(each), wanted)
            ]
            return {"$and": [is_open, is_one_of(wanted.field, found)]}

        return {"$and": [within, *(condition(each, decide) for each in query.where)]}

    def _with_ids(self, wanted: Filter, where: dict[str, Any]) -> dict[str, Any]:
        # By id, since objects with another order of names are different values to MongoDB.
        value = {"$project": {"value": f"${field_path(wanted.field)}"}}
        rows = self._rows([{"$match": where}, value])
        ids = [row["_id"] for row in rows if value_matches(from_stored(row["value"]), wanted)]
        return {"_id": {"$in": ids}}

    def _distinct(self, field: Field, where: dict[str, Any]) -> list[Any]:
        group = {"$group": {"_id": f"${field_path(field)}"}}
        return [each["_id"] for each in self._rows([{"$match": where}, group])]

    def _top(
        self,
        match: dict[str, Any],
        query: Query,
        limit: int,
        keys: Sequence[str | None] | None = None,
    ) -> list[Any] | None:
        """The values of the biggest groups; several values of MongoDB may be one group.

        :param keys: groups to return instead of the biggest ones.
        """
        if query.by is None:
            return None
        counts: dict[str | None, float] = {}
        values: dict[str | None, list[Any]] = {}
        for row in self._rows([match, *weights(query)]):
            value = row["_id"].get("k")
            key = _spelling(query.by, value)
            counts[key] = counts.get(key, 0.0) + row["w"]
            values.setdefault(key, []).append(value)
        top = sorted(counts, key=lambda key: rank(key, counts[key]))[:limit]
        return [value for key in keys or top for value in values.get(key, ())]

    def _rows(self, pipeline: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
        return self._run(lambda records: list(records.aggregate(pipeline, allowDiskUse=True)))

    def _records(
        self, where: Mapping[str, Any], order: Mapping[str, int], limit: int
    ) -> list[Record]:
        return self._run(
            lambda records: [
                to_record(each)
                for each in records.find(where).sort(list(order.items())).limit(limit)
            ]
        )


def _spelling(by: Field | None, stored: Any) -> str | None:
    value = from_stored(stored)
    if value == "" and by is not None and not by.document:
        return None
    return spelling(value)


def _limit(query: Query) -> int | None:
    """The maximum number of rows of a question whose groups may be as many as its records."""
    return MAX_ROWS + 1 if query.may_have_many_groups else None


def _to_rows(by: Field | None, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Convert groups to the rows of an SQL store, which knows values by their text only."""
    for row in rows:
        group = row["_id"]
        place = _spelling(by, group.get("k")), group.get("b") or 0, group.get("x")
        yield (*place, row["n"], row["w"], row["e"])
