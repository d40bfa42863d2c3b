"""Percentiles from bucketed counts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from flask_chest.query.percentiles import Digest, bucket_of, bucket_value


def test_nearest_rank() -> None:
    """A percentile is a value that occurred, also after digests were merged."""
    chance = random.Random(1)
    distributions: tuple[Callable[[], float], ...] = (
        lambda: chance.expovariate(1),
        lambda: chance.lognormvariate(3, 4),
        lambda: chance.uniform(-100, 1),
        lambda: float(chance.randrange(3)),
        lambda: 5e-324,
    )
    for draw in distributions:
        values = sorted(draw() for _ in range(5000))
        whole = Digest()
        for start in range(0, 5000, 1000):
            part = Digest()
            for value in values[start : start + 1000]:
                part.add(value, 1)
            whole.merge(part)
        for fraction, found in zip((0.5, 0.99), whole.percentiles((0.5, 0.99)), strict=True):
            assert found == values[int(fraction * 5000) - 1]


def test_weights() -> None:
    """A value of a sampled request counts for those that were left out."""
    assert Digest({1.0: 10, 2.0: 1, 3.0: 1}).percentiles((0.5, 0.9, 0.99)) == [1.0, 2.0, 3.0]
    # Of ten equal weights, half of the sum is reached by the fifth, however sums are rounded.
    thirds = Digest(dict.fromkeys(map(float, range(10)), 1 / 0.3))
    assert thirds.percentiles((0.1, 0.5, 1)) == [0, 4, 9]


def test_order_of_buckets() -> None:
    """Buckets sort like their values, also for negative values, zero and tiny values."""
    values = [-1e12, -5.0, -1e-6, 0.0, 1e-12, 1e-6, 0.5, 1.0, 7.0, 1e15]
    buckets = [bucket_of(value) for value in values]
    assert buckets == sorted(buckets)
    assert all(bucket_value(bucket_of(v)) == pytest.approx(v, rel=0.02, abs=1e-9) for v in values)
    assert Digest().percentiles((0.5,)) == [None]
