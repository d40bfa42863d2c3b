"""How values are spread, in little space: counts in buckets that grow with the values.

A bucket is 4 % wide, so that a percentile is within 2 % of the true one, however the values are
spread; digests of several hours or groups are added up. After DDSketch: https://arxiv.org/abs/1908.10693
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

_GAMMA = 1.04
#: Buckets per e-fold.
SCALE = 1 / math.log(_GAMMA)
#: Added to the number of a bucket, so that all numbers of positive values are above 0.
OFFSET = 100_000
#: What is nearer to 0 counts as 0.
TINY = 1e-9


def bucket_of(value: float) -> int:
    """The bucket of a value; buckets sort as their values do."""
    if abs(value) < TINY:
        return 0
    code = math.floor(math.log(abs(value)) * SCALE) + OFFSET
    return code if value > 0 else -code


def bucket_value(code: int) -> float:
    """The value that stands for a bucket: its middle."""
    if code == 0:
        return 0.0
    middle = math.exp((abs(code) - OFFSET) / SCALE) * 2 * _GAMMA / (1 + _GAMMA)
    return middle if code > 0 else -middle


class Digest:
    """Counts by bucket.

    :param counts: what is known already.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, float] | None = None) -> None:
        self.counts: dict[int, float] = dict(counts or {})

    def add(self, code: int, weight: float) -> None:
        """Count values of one bucket."""
        self.counts[code] = self.counts.get(code, 0.0) + weight

    def merge(self, other: Digest) -> None:
        """Take in another digest."""
        if self.counts:
            self.add_all(other.counts, other.counts.values())
        else:
            self.counts.update(other.counts)

    def add_all(self, codes: Iterable[int], weights: Iterable[float]) -> None:
        """Count values of several buckets, each with its weight."""
        # A year has hundreds of thousands of buckets to add up, most to ones that are there.
        counts = self.counts
        for code, weight in zip(codes, weights, strict=True):
            try:
                counts[code] += weight
            except KeyError:
                counts[code] = weight

    @property
    def total(self) -> float:
        """How many values there are."""
        return sum(self.counts.values())

    def percentiles(self, shares: Iterable[float]) -> list[float | None]:
        """The values below which these shares lie.

        :param shares: between 0 and 1, rising.
        :returns: one value each; ``None`` where there are no values at all.
        """
        codes = sorted(self.counts)
        total = self.total
        if not codes or total <= 0:
            return [None for _ in shares]
        found: list[float | None] = []
        at, passed = 0, self.counts[codes[0]]
        for fraction in shares:
            while passed < fraction * total and at < len(codes) - 1:
                at += 1
                passed += self.counts[codes[at]]
            found.append(bucket_value(codes[at]))
        return found
