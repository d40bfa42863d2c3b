"""The base of readers of stores that aggregate by themselves: long ranges are sampled."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..query.answer import Answer, Series
from ..query.query import Query
from ..query.time_budget import TIME_BUDGET, Limits, Sampling
from ..query.time_slices import MAX_RECORDS, SAMPLE_SIZE, TimeSlices
from ..record.record import Record
from .reader import PAGE, Reader, merge_records

_TRACE_ID_LENGTH = 32


class SamplingReader(Reader):
    """A reader of a store that aggregates by itself.

    :param name: the name of the chest.
    """

    #: Queries read all records up to the first number, and a sample of more records.
    max_records, sample_size = MAX_RECORDS, SAMPLE_SIZE
    #: Seconds in which more records are read, too, if the store is fast enough.
    time_budget = TIME_BUDGET

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._sampling = Sampling(
            lambda: Limits(self.max_records, self.sample_size, self.time_budget),
            self._count_in,
            self._edges,
        )

    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        # A record's id may be the request id of other records: services pass it on.
        own, others = (self._find(each, identity, limit) for each in ("id", "request_id"))
        if own or others:
            return merge_records(own, others)[:limit]
        if len(identity) != _TRACE_ID_LENGTH:
            return []  # not a trace id; this field has no index
        return self._find("trace_id", identity, limit)

    def answer(self, query: Query, limit: int = 20) -> Answer:
        def ask(slices: TimeSlices) -> Answer:
            return replace(self._answer(query, slices, limit), records=slices.records)

        return self._sampling.ask(query, ask)

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        def ask(slices: TimeSlices) -> Series:
            return replace(self._series(query, slices, step, lines, keys), records=slices.records)

        return self._sampling.ask(query, ask)

    def names(self, query: Query) -> list[str]:
        since = self.scan_start(query) or query.since
        recent = self.page(replace(query, since=since), limit=PAGE * 2)
        return sorted({name for record in recent for name in record.vars})

    @abstractmethod
    def _find(self, field: str, identity: str, limit: int) -> list[Record]:
        """The records whose id, request id or trace id is ``identity``."""

    @abstractmethod
    def _answer(self, query: Query, slices: TimeSlices, limit: int) -> Answer:
        """The aggregates of each group in the slices of a query's range."""

    @abstractmethod
    def _series(
        self,
        query: Query,
        slices: TimeSlices,
        step: float,
        lines: int,
        keys: Sequence[str | None] | None,
    ) -> Series:
        """The aggregates of each group over time, in the slices of a query's range."""

    @abstractmethod
    def _count_in(self, slices: TimeSlices, limit: int) -> int:
        """The number of records in slices, up to a limit."""

    @abstractmethod
    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        """The times of the first and the last record of a range."""
