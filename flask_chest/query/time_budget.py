"""Decides whether a question reads all records of its range in time, or a sample of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from .fields import Field
from .query import Query
from .time_slices import SliceCache, TimeSlices, choose_slices

T = TypeVar("T")

#: Seconds. A question that the store answers in this time is answered exactly.
TIME_BUDGET = 2.0
# Each record may be one row of the answer, and takes memory.
_MAX_EXACT, _MAX_EXACT_FILTERED = 300_000, 2_000_000
# Fewer records say little about the speed of a store.
_MIN_MEASURED = 1000
_MARGIN = 0.7
_MAX_KINDS = 256

_Kind = tuple[Field | None, Field, tuple[Field, ...]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one reader.

    :param max_records: up to this number of records, all are read, whatever the time.
    :param sample_size: the maximum number of records of a sample.
    :param seconds: the time budget.
    """

    max_records: int
    sample_size: int
    seconds: float


class Sampling:
    """Measures how fast a store answers each kind of question.

    :param limits: returns the limits.
    :param count: returns the number of records in slices, up to a limit.
    :param edges: returns the times of the first and the last record of a question's range.
    """

    def __init__(
        self,
        limits: Callable[[], Limits],
        count: Callable[[TimeSlices, int], int],
        edges: Callable[[Query], tuple[datetime, datetime]],
    ) -> None:
        self._limits = limits
        self._count = count
        self._edges = edges
        self._cache = SliceCache()
        self._speeds: dict[_Kind, float] = {}

    def ask(self, query: Query, answer: Callable[[TimeSlices], T]) -> T:
        """Answer a question exactly if that is possible in time, else from a sample.

        A sample also shows how fast the store is: if all records can be read in time, they are.

        :param answer: answers from slices.
        """
        slices = self.slices(query)
        found = self._measured(query, slices, answer)
        if slices.fraction == 1:
            return found
        whole = self._whole(query)
        return found if whole is None else self._measured(query, whole, answer)

    def slices(self, query: Query) -> TimeSlices:
        """The whole range, or a sample of it if the speed is not known, or too low."""
        if query.is_for_one_request:
            return TimeSlices(((query.since, query.until),), 1.0)
        limits = self._limits()
        whole = self._whole(query) if _kind(query) in self._speeds else None
        if whole is not None:
            return whole
        return self._cache.get(
            query,
            lambda: choose_slices(
                query.since,
                query.until,
                self._count,
                lambda: self._edges(query),
                max_records=limits.max_records,
                sample_size=limits.sample_size,
            ),
        )

    def _whole(self, query: Query) -> TimeSlices | None:
        """The whole range, if it can be read in time at the speed that was measured."""
        limits = self._limits()
        most = _MAX_EXACT_FILTERED if query.where else _MAX_EXACT
        affordable = self._speeds.get(_kind(query), 0.0) * limits.seconds * _MARGIN
        limit = int(min(most, affordable))
        if limit <= limits.max_records:
            return None
        whole = TimeSlices(((query.since, query.until),), 1.0)
        number = self._count(whole, limit + 1)
        return None if number > limit else TimeSlices(whole.ranges, 1.0, number)

    def _measured(self, query: Query, slices: TimeSlices, answer: Callable[[TimeSlices], T]) -> T:
        begin = time.perf_counter()
        found = answer(slices)
        if slices.records is not None and slices.records >= _MIN_MEASURED:
            speed = slices.records / max(time.perf_counter() - begin, 1e-6)
            if len(self._speeds) >= _MAX_KINDS:
                self._speeds = {}
            old = self._speeds.get(_kind(query), speed)
            self._speeds[_kind(query)] = (old + speed) / 2
        return found


def _kind(query: Query) -> Any:
    """Questions of one kind take about the same time for each record."""
    return query.by, query.measure, tuple(each.field for each in query.where)
