"""Computes percentiles from counts in exponential buckets.

A bucket is 4 % wide, so a percentile is within 2 % of the true one for any distribution. Digests of
several hours or groups can be added up. See DDSketch: https://arxiv.org/abs/1908.10693
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

_GAMMA = 1.04
#: Buckets per e-fold.
SCALE = 1 / math.log(_GAMMA)
#: Added to the number of a bucket, so that buckets of positive values have positive numbers.
OFFSET = 100_000
#: Values nearer to 0 count as 0.
TINY = 1e-9


def bucket_of(value: float) -> int:
    """The bucket of a value. Buckets sort like their values."""
    if abs(value) < TINY:
        return 0
    bucket = math.floor(math.log(abs(value)) * SCALE) + OFFSET
    return bucket if value > 0 else -bucket


def bucket_value(bucket: int) -> float:
    """The value that represents a bucket: its middle."""
    if bucket == 0:
        return 0.0
    middle = math.exp((abs(bucket) - OFFSET) / SCALE) * 2 * _GAMMA / (1 + _GAMMA)
    return middle if bucket > 0 else -middle


class Digest:
    """The distribution of values: weights by bucket.

    :param counts: initial weights by bucket.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, float] | None = None) -> None:
        self.counts: dict[int, float] = dict(counts or {})

    def add(self, bucket: int, weight: float) -> None:
        """Add values to one bucket."""
        self.counts[bucket] = self.counts.get(bucket, 0.0) + weight

    def merge(self, other: Digest) -> None:
        """Add another digest."""
        if self.counts:
            self.add_all(other.counts, other.counts.values())
        else:
            self.counts.update(other.counts)

    def add_all(self, buckets: Iterable[int], weights: Iterable[float]) -> None:
        """Add values to several buckets, each with its weight."""
        # A year has hundreds of thousands of buckets to add up; most of them exist already.
        counts = self.counts
        for bucket, weight in zip(buckets, weights, strict=True):
            try:
                counts[bucket] += weight
            except KeyError:
                counts[bucket] = weight

    @property
    def total(self) -> float:
        """The weight of all values."""
        return sum(self.counts.values())

    def percentiles(self, fractions: Iterable[float]) -> list[float | None]:
        """The values below which these fractions of all values lie.

        :param fractions: between 0 and 1, ascending.
        :returns: one value for each fraction; ``None`` if the digest is empty.
        """
        buckets = sorted(self.counts)
        total = self.total
        if not buckets or total <= 0:
            return [None for _ in fractions]
        found: list[float | None] = []
        at, passed = 0, self.counts[buckets[0]]
        for fraction in fractions:
            while passed < fraction * total and at < len(buckets) - 1:
                at += 1
                passed += self.counts[buckets[at]]
            found.append(bucket_value(buckets[at]))
        return found
