"""Percentiles from bucketed counts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from flask_chest.query.percentiles import Digest, bucket_of, bucket_value


def test_accuracy() -> None:
    """Percentiles are within 2 % for any distribution, also after digests were merged."""
    chance = random.Random(1)
    distributions: tuple[Callable[[], float], ...] = (
        lambda: chance.expovariate(1),
        lambda: chance.lognormvariate(3, 4),
        lambda: chance.uniform(-100, 1),
        lambda: float(chance.randrange(3)),
    )
    for draw in distributions:
        values = sorted(draw() for _ in range(5000))
        whole = Digest()
        for start in range(0, 5000, 1000):
            part = Digest()
            for value in values[start : start + 1000]:
                part.add(bucket_of(value), 1)
            whole.merge(part)
        for fraction, found in zip((0.5, 0.99), whole.percentiles((0.5, 0.99)), strict=True):
            true = values[int(fraction * 5000) - 1]
            assert found == pytest.approx(true, rel=0.021, abs=1e-9)


def test_order_of_buckets() -> None:
    """Buckets sort like their values, also for negative values, zero and tiny values."""
    values = [-1e12, -5.0, -1e-6, 0.0, 1e-12, 1e-6, 0.5, 1.0, 7.0, 1e15]
    buckets = [bucket_of(value) for value in values]
    assert buckets == sorted(buckets)
    assert all(bucket_value(bucket_of(v)) == pytest.approx(v, rel=0.02, abs=1e-9) for v in values)
    assert Digest().percentiles((0.5,)) == [None]
