"""Figures of a group of records, which can be added up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .percentiles import Digest

_SHARES = (0.5, 0.95, 0.99)
# Thousandths are all that is kept of the counts of a digest.
_WHOLE = 0.999
_GREATEST = sys.float_info.max
# A value that was met so rarely may be as frequent as any other.
_SEEN = 2


@dataclass(slots=True)
class Summary:
    """Figures of a group.

    :param count: records, reweighted by their sample rates.
    :param rows: records that were looked at.
    :param errors: those with an exception or a status of 500 and above, reweighted.
    :param total: the sum of what is measured, reweighted.
    :param low: the least that was measured.
    :param high: the greatest.
    :param digest: how it is spread.
    """

    count: float = 0.0
    rows: int = 0
    errors: float = 0.0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    digest: Digest = field(default_factory=Digest)
    #: How many of the count were measured; others have no such number.
    measured: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean of what was measured."""
        return self.total / self.measured if self.measured else None

    @property
    def percentiles(self) -> list[float | None]:
        """p50, p95 and p99 of what was measured; of sums of variables they are not known."""
        if self.digest.total < _WHOLE * self.measured:
            return [None for _ in _SHARES]  # else those of a part would pass for them
        between = self.digest.percentiles(_SHARES)
        return [self._within(value) for value in between]

    def merge(self, other: Summary) -> None:
        """Take in another group."""
        if not other.rows and not other.count:
            return  # of the intervals of a long range most may be empty
        self.count += other.count
        self.rows += other.rows
        self.errors += other.errors
        self.add_measured(other.measured, other.total, other.low, other.high)
        self.digest.merge(other.digest)

    def add_measured(
        self, measured: float, total: float, low: float | None, high: float | None
    ) -> None:
        """Take in what else was measured, except how it is spread."""
        self.measured += measured
        # Never infinite, which is not JSON.
        self.total = min(max(self.total + total, -_GREATEST), _GREATEST)
        if low is not None and (self.low is None or low < self.low):
            self.low = low
        if high is not None and (self.high is None or high > self.high):
            self.high = high

    def to_dict(self, seconds: float) -> dict[str, Any]:
        """All figures by their names, for JSON.

        :param seconds: the time in which these records were made.
        """
        p50, p95, p99 = self.percentiles
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
        }

    def _within(self, value: float | None) -> float | None:
        # A bucket's middle may lie beyond the only value that is in it.
        if value is None or self.low is None or self.high is None:
            return value
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Group:
    """The records that have one value in common.

    :param key: the value as text; ``None`` where there is none.
    :param summary: their figures.
    """

    key: str | None
    summary: Summary


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    :param groups: by count, the biggest first; one group without a key where nothing was grouped.
    :param rest: of all groups that are not listed.
    :param share: the share of the records that was looked at. Below 1 the figures are estimates.
    :param complete: whether there is no group beyond those listed.
    """

    groups: Sequence[Group]
    rest: Summary
    fraction: float = 1.0
    complete: bool = True

    @property
    def is_scattered(self) -> bool:
        """Whether there are so many values that some records do not tell which are frequent."""
        seen = [group.summary.rows for group in self.groups]
        return self.fraction < 1 and len(seen) > 1 and max(seen) <= _SEEN

    @property
    def whole(self) -> Summary:
        """Everything together."""
        whole = Summary()
        whole.merge(self.rest)
        for group in self.groups:
            whole.merge(group.summary)
        return whole


@dataclass(frozen=True, slots=True)
class Series:
    """Figures over time.

    :param starts: when each interval begins: seconds since 1970, UTC.
    :param step: seconds of each.
    :param lines: by key, one summary for each interval.
    :param share: as in :class:`Answer`.
    """

    starts: Sequence[float]
    step: float
    lines: dict[str | None, list[Summary]]
    fraction: float = 1.0
