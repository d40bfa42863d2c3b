"""How far back the rollup job checks; usable without SQLAlchemy."""

from __future__ import annotations

from ....query.time_intervals import DAY

#: The rollup job always checks this many seconds before the end of the last rollup.
MAX_DELAY = 2 * DAY
