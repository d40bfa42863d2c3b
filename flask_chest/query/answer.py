"""The aggregates of a group of records, and the answers made of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .percentiles import Digest

_PERCENTILES = (0.5, 0.95, 0.99)
# Rollups round the counts of a digest to thousandths.
_COMPLETE = 0.999
_MAX_FLOAT = sys.float_info.max
# If a sample holds each value at most this often, their order is chance.
_RARE = 2
# Of fewer records in a sample, the 99th percentile is the maximum, and says nothing.
_MIN_ROWS = 30
_TWO_SIGMA = 1.96


@dataclass(slots=True)
class Summary:
    """The aggregates of a group.

    :param count: number of records, weighted by their sample rates.
    :param rows: number of records that were read.
    :param errors: number of records with an exception or a status of 500 and above, weighted.
    :param total: sum of the measure, weighted.
    :param low: minimum of the measure; ``None`` if a part of the values came without extremes.
    :param high: maximum of the measure; likewise.
    :param digest: distribution of the measure.
    :param measured: number of records that have the measure, weighted.
    :param known_percentiles: p50, p95 and p99, if the store computed them and returned no
        distribution. They are not known of the sum of two groups.
    :param is_sampled: whether the aggregates are estimated from a sample.
    """

    count: float = 0.0
    rows: int = 0
    errors: float = 0.0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    digest: Digest = field(default_factory=Digest)
    measured: float = 0.0
    has_extremes: bool = True
    known_percentiles: list[float | None] | None = None
    is_sampled: bool = False

    @property
    def mean(self) -> float | None:
        """The mean of the measure."""
        return self.total / self.measured if self.measured else None

    @property
    def has_too_few_rows(self) -> bool:
        """Whether a sample has too few records of the group for percentiles."""
        return self.is_sampled and self.rows < _MIN_ROWS

    @property
    def margin(self) -> float | None:
        """The true count is within this distance of the estimated one in 19 of 20 cases.

        That holds for records that come independently of each other. ``None``: the count is exact.
        """
        if not self.is_sampled or not self.rows:
            return None
        return _TWO_SIGMA * self.count / math.sqrt(self.rows)

    @property
    def percentiles(self) -> list[float | None]:
        """p50, p95 and p99 of the measure.

        They are ``None`` for variables that come from rollups, and if a sample has too few records.
        """
        if self.has_too_few_rows:
            return [None for _ in _PERCENTILES]
        if self.known_percentiles is not None:
            return self.known_percentiles
        if self.digest.total < _COMPLETE * self.measured:
            return [None for _ in _PERCENTILES]  # the digest covers only a part of the records
        between = self.digest.percentiles(_PERCENTILES)
        return [self._within(value) for value in between]

    def merge(self, other: Summary) -> None:
        """Add the aggregates of another group."""
        if not other.rows and not other.count:
            return  # most intervals of a long range may be empty
        self.known_percentiles = None if self.rows or self.count else other.known_percentiles
        self.is_sampled = self.is_sampled or other.is_sampled
        self.count += other.count
        self.rows += other.rows
        self.errors += other.errors
        self.add_measured(other.measured, other.total, other.low, other.high)
        self._keep_extremes(other.has_extremes)
        self.digest.merge(other.digest)

    def add_measured(
        self, measured: float, total: float, low: float | None, high: float | None
    ) -> None:
        """Add measured values, except for their distribution."""
        self.measured += measured
        # JSON has no infinity.
        self.total = min(max(self.total + total, -_MAX_FLOAT), _MAX_FLOAT)
        self._keep_extremes(low is not None or not measured)
        if not self.has_extremes:
            return
        if low is not None and (self.low is None or low < self.low):
            self.low = low
        if high is not None and (self.high is None or high > self.high):
            self.high = high

    def _keep_extremes(self, keep: bool) -> None:
        # The extremes of some values would be taken for those of all.
        if not keep:
            self.has_extremes, self.low, self.high = False, None, None

    def to_dict(self, seconds: float) -> dict[str, Any]:
        """All aggregates by name, for JSON.

        :param seconds: length of the time range.
        """
        p50, p95, p99 = self.percentiles
        margin = {} if self.margin is None else {"margin": self.margin, "rows": self.rows}
        return {
            "count": round(self.count, 3),
            "per_second": self.count / seconds,
            "errors": round(self.errors, 3),
            "mean": self.mean,
            "sum": self.total if self.measured else None,
            "min": self.low,
            "max": self.high,
            "p50": p50,
            "p95": p95,
            "p99": p99,
            **margin,
        }

    def _within(self, value: float | None) -> float | None:
        # The middle of a bucket may be outside of the measured range.
        if value is None or self.low is None or self.high is None:
            return value
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Group:
    """The records that share one value of the grouping field.

    :param key: the value as text; ``None`` for records without a value.
    :param summary: the aggregates of the group.
    """

    key: str | None
    summary: Summary


@dataclass(frozen=True, slots=True)
class Answer:
    """The aggregates of the groups of a query.

    :param groups: the biggest groups, by descending count; without grouping, one group without key.
    :param rest: the aggregates of all unlisted groups.
    :param fraction: the fraction of the time range that was read. Below 1 all numbers are
        estimates.
    :param complete: whether all groups are listed.
    :param records: the number of records that were read, before filters; ``None`` if unknown.
    :param total: the aggregates of all records; default: those of the groups and the rest added up.
    """

    groups: Sequence[Group]
    rest: Summary
    fraction: float = 1.0
    complete: bool = True
    total: Summary | None = None
    records: int | None = None

    @property
    def is_scattered(self) -> bool:
        """Whether a sample has too few records of each group to rank the groups."""
        rows = [group.summary.rows for group in self.groups]
        return self.fraction < 1 and len(rows) > 1 and max(rows) <= _RARE

    @property
    def whole(self) -> Summary:
        """The aggregates of all records."""
        if self.total is not None:
            return self.total
        whole = Summary()
        whole.merge(self.rest)
        for group in self.groups:
            whole.merge(group.summary)
        return whole


@dataclass(frozen=True, slots=True)
class Series:
    """The aggregates of groups over time.

    :param starts: the start of each interval: seconds since 1970, UTC.
    :param step: length of an interval in seconds.
    :param lines: one summary for each interval, by group key.
    :param fraction: as in :class:`Answer`.
    :param records: as in :class:`Answer`.
    """

    starts: Sequence[float]
    step: float
    lines: dict[str | None, list[Summary]]
    fraction: float = 1.0
    records: int | None = None
