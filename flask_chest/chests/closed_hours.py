"""When an hour is over, so that its records may be rolled up and archived."""

from __future__ import annotations

import time

from ..query.time_intervals import HOUR, floor_to

#: Seconds between the end of an hour and its rollup: most of its records are delivered by then.
GRACE = 300


def closed_until() -> int:
    """The end of the last hour that may be rolled up and archived: seconds since 1970."""
    return floor_to(time.time() - GRACE, HOUR)


def is_late(oldest: float) -> bool:
    """Whether the hour of a record may be rolled up and archived already.

    :param oldest: time of the oldest record of a batch: seconds since 1970.
    """
    return oldest < closed_until()
