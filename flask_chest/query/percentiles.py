"""Computes percentiles: the nearest rank, weighted.

Answers from records know every value, so their percentiles are values that occurred. Rollups know
the numbers of values in exponential buckets. A bucket is 4 % wide, so a percentile is within 2 % of
the true one for any distribution. See DDSketch: https://arxiv.org/abs/1908.10693
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

_GAMMA = 1.04
#: Buckets per e-fold.
SCALE = 1 / math.log(_GAMMA)
#: Added to the number of a bucket, so that buckets of positive values have positive numbers.
OFFSET = 100_000
#: The smallest double. Values nearer to 0 are 0.
TINY = 5e-324
# Weights such as 1 / 0.3 add up to slightly different sums in a different order.
_ROUNDING = 1 - 1e-9


def bucket_of(value: float) -> int:
    """The bucket of a value. Buckets sort like their values."""
    if abs(value) < TINY:
        return 0
    bucket = math.floor(math.log(abs(value)) * SCALE) + OFFSET
    return bucket if value > 0 else -bucket


@lru_cache(maxsize=4096)
def bucket_value(bucket: int) -> float:
    """The value that represents a bucket: its middle."""
    if bucket == 0:
        return 0.0
    middle = math.exp((abs(bucket) - OFFSET) / SCALE) * 2 * _GAMMA / (1 + _GAMMA)
    return middle if bucket > 0 else -middle


class Digest:
    """The distribution of values: a weight for each value.

    Digests of several hours or groups can be added up.

    :param counts: initial weights by value.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[float, float] | None = None) -> None:
        self.counts: dict[float, float] = dict(counts or {})

    def add(self, value: float, weight: float) -> None:
        """Add one value."""
        self.counts[value] = self.counts.get(value, 0.0) + weight

    def merge(self, other: Digest) -> None:
        """Add another digest."""
        if self.counts:
            self.add_all(other.counts, other.counts.values())
        else:
            self.counts.update(other.counts)

    def add_all(self, values: Iterable[float], weights: Iterable[float]) -> None:
        """Add several values, each with its weight."""
        # A year has hundreds of thousands of values to add up; most of them exist already.
        counts = self.counts
        for value, weight in zip(values, weights, strict=True):
            try:
                counts[value] += weight
            except KeyError:
                counts[value] = weight

    @property
    def total(self) -> float:
        """The weight of all values."""
        return sum(self.counts.values())

    def percentiles(self, fractions: Iterable[float]) -> list[float | None]:
        """The least values up to which at least these fractions of all weights lie.

        :param fractions: between 0 and 1, ascending.
        :returns: one value for each fraction; ``None`` if the digest is empty.
        """
        values = sorted(self.counts)
        total = self.total * _ROUNDING
        if not values or total <= 0:
            return [None for _ in fractions]
        found: list[float | None] = []
        at, passed = 0, self.counts[values[0]]
        for fraction in fractions:
            while passed < fraction * total and at < len(values) - 1:
                at += 1
                passed += self.counts[values[at]]
            found.append(values[at])
        return found
