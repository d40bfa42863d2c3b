"""When the hour of a record may be rolled up already; usable without SQLAlchemy."""

from __future__ import annotations

import time

from ....query.time_intervals import DAY, HOUR, floor_to

#: The rollup job always checks this many seconds before the end of the last rollup.
MAX_DELAY = 2 * DAY
#: Seconds between the end of an hour and its rollup: most of its records are delivered by then.
GRACE = 300


def is_late(oldest: float) -> bool:
    """Whether the hour of a record may be rolled up already, so that its rollup is outdated.

    :param oldest: time of the oldest record of a batch: seconds since 1970.
    """
    return oldest < floor_to(time.time() - GRACE, HOUR)
