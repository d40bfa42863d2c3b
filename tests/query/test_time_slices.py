"""Slices that sample a time range."""

from __future__ import annotations

from datetime import datetime, timedelta

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
    assert length == pytest.approx(365 * 86400 * chosen.fraction, rel=0.02)


def test_records_of_one_moment() -> None:
    """If all records have the same time, the whole range is read."""
    year = END - timedelta(days=365), END
    chosen = slices.choose_slices(*year, lambda part, limit: limit, lambda: (END, END))
    assert chosen.fraction == 1
    assert chosen.ranges[0][0] == END


@pytest.mark.parametrize("length", [timedelta(hours=1), timedelta(days=1), timedelta(days=30)])
def test_a_range_that_moves(length: timedelta) -> None:
    """Slices lie on the clock: a live page keeps the slices of the past, and never redraws them."""

    def choose(end: datetime) -> slices.TimeSlices:
        edges = end - length, end
        return slices.choose_slices(*edges, lambda part, _: int(6e6 * part.fraction), lambda: edges)

    first = choose(END)
    for seconds in (1, 5, 17, 60, 300):
        later = choose(END + timedelta(seconds=seconds))
        assert later.fraction == first.fraction
        past = {each for each in first.ranges if each[1] < END and each[0] >= later.ranges[0][0]}
        assert past <= set(later.ranges)
        assert len(past) > 40
