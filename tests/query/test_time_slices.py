"""Slices that sample a time range."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_chest.query import time_slices as slices

from .records import END


def test_slices_of_a_long_range() -> None:
    """Slices are in order, do not overlap and cover the reported fraction of the range."""
    year = END - timedelta(days=365), END
    chosen = slices.choose_slices(
        *year, lambda part, limit: int(10_000_000 * part.fraction), lambda: year
    )
    assert chosen.fraction == 2.0**-11
    assert all(begin < end for begin, end in chosen.ranges)
    assert all(
        before[1] < after[0]
        for before, after in zip(chosen.ranges, chosen.ranges[1:], strict=False)
    )
    length = sum((end - begin).total_seconds() for begin, end in chosen.ranges)
    assert length == pytest.approx(365 * 86400 * chosen.fraction)


def test_records_of_one_moment() -> None:
    """If all records have the same time, the whole range is read."""
    year = END - timedelta(days=365), END
    chosen = slices.choose_slices(*year, lambda part, limit: limit, lambda: (END, END))
    assert chosen.fraction == 1
    assert chosen.ranges[0][0] == END
