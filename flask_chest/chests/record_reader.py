"""A reader for small stores: it computes every answer from the records themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

from ..query.aggregation import aggregate_answer, aggregate_series, limit_lines
from ..query.answer import Answer, Series
from ..query.filter_matching import field_value, matches
from ..query.query import Query
from ..query.values import is_number, spelling
from ..record.json_line import EPOCH
from ..record.record import Record
from .reader import PAGE, SCAN_LIMIT, Reader

_END = datetime(9999, 12, 31, tzinfo=timezone.utc)
_WHOLE_TIME = Query(since=EPOCH, until=_END)
_NAMES_FROM = 2 * PAGE


class RecordReader(Reader):
    """Base class for a reader of a small store. A subclass only needs :meth:`records_between`.

    Each answer goes through all records of its time range, so that it suits stores of some
    thousands of records. A reader of a larger store lets the store filter and aggregate, and
    subclasses :class:`~flask_chest.chests.reader.Reader`.

    :param name: the name of the chest.

    .. versionadded:: 1.0
    """

    @abstractmethod
    def records_between(self, since: datetime, until: datetime) -> Iterable[Record]:
        """Return the records of a time range, in any order.

        Records outside of the range are ignored, so a store may return all of its records.

        :param since: start of the time range, UTC.
        :param until: end of the time range, exclusive, UTC.
        :raises flask_chest.errors.ReadError: the store does not answer.
        """

    def check(self) -> None:
        """Check that the store can be read, by asking for the records of no time at all."""
        next(iter(self.records_between(EPOCH, EPOCH)), None)

    def close(self) -> None:
        """Close the connection, if the reader has one."""

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        return iter(self._select(query))

    def latest(self, limit: int) -> list[Record]:
        return list(deque(self._select(_WHOLE_TIME), maxlen=limit))

    def ids_after(self, record_id: str) -> set[str]:
        return {each.id for each in self._select(_WHOLE_TIME) if each.id > record_id}

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        wanted = set(ids)
        return (each for each in self._select(_WHOLE_TIME) if each.id in wanted)

    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        found = (
            each
            for each in self._select(_WHOLE_TIME)
            if identity and identity in (each.id, each.request_id, each.trace_id)
        )
        return list(islice(found, limit))

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        found = self._select(query)[::-1]
        if after:
            ids = [record.id for record in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        return found[:limit]

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        found = self._select(replace(query, where=()))
        return found[-records - 1].time if len(found) > records else None

    def count(self, query: Query) -> int:
        return len(self._select(query))

    def answer(self, query: Query, limit: int = 20) -> Answer:
        return aggregate_answer(self._rows(query, query.seconds), 1.0, limit)

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        series = aggregate_series(self._rows(query, step), query, step, 1.0)
        return series if query.by is None else limit_lines(series, lines, 1.0, keys)

    def names(self, query: Query) -> list[str]:
        return sorted({name for each in self._select(query)[-_NAMES_FROM:] for name in each.vars})

    def _select(self, query: Query) -> list[Record]:
        found = {
            record.id: record
            for record in self.records_between(query.since, query.until)
            if query.since <= record.time < query.until and matches(record, query.where)
        }
        return sorted(found.values(), key=lambda record: (record.time, record.id))

    def _rows(self, query: Query, step: float) -> Iterator[tuple[Any, ...]]:
        for record in self._select(query):
            weight = 1 / record.sample_rate
            is_error = record.error is not None or (record.status or 0) >= 500
            key = None if query.by is None else spelling(field_value(record, query.by))
            interval = (record.time - query.first_interval) // timedelta(seconds=step)
            number = _number(field_value(record, query.measure))
            yield key, interval, number, 1, weight, weight if is_error else 0.0


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None
