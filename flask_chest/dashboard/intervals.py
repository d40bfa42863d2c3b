"""How a range of time is cut into the intervals of a chart."""

from __future__ import annotations

import math

_WEEK = 604_800
_STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, _WEEK)
#: Intervals of a range, at most: more than that no screen shows, however long the range is.
POINTS = 100


def step_of(seconds: float) -> int:
    """The length of an interval, for a range of this length.

    :returns: seconds; of a range that no usual length fits, a number of weeks.
    """
    for step in _STEPS:
        if seconds / step <= POINTS:
            return step
    return math.ceil(seconds / POINTS / _WEEK) * _WEEK
