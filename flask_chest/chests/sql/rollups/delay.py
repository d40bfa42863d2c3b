"""When a record is too late for the regular rollup job; usable without SQLAlchemy."""

from __future__ import annotations

import time

from ....query.intervals import DAY

#: The rollup job always checks this many seconds before the end of the last rollup.
MAX_DELAY = 2 * DAY


def is_late(oldest: float) -> bool:
    """Whether records are too old for the rollup job to find them.

    :param oldest: time of the oldest record: seconds since 1970.
    """
    return oldest < time.time() - MAX_DELAY
