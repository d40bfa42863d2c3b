"""Finds out whether a SQLite file needs maintenance, without SQLAlchemy."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from ....query.time_intervals import HOUR, floor_to
from ..rollups.rollup_delay import MAX_DELAY
from ..table_names import PRUNED_PREFIX, late_key, rollups_name, state_key
from .connection import connect_read_only, read_only_uri

_ROLLED_UNTIL = "SELECT rolled_until FROM chest_upkeep WHERE table_name = ?"
_OLDER = 'SELECT 1 FROM "{table}" WHERE time < ? LIMIT 1'

# The index of times is read in order, so this needs no memory.
_COUNTS = """
SELECT strftime('%s', substr(time, 1, 13) || ':00:00'), count(*) FROM "{table}"
WHERE time >= ? AND time < ? GROUP BY substr(time, 1, 13)
"""
_ROLLED_UP = """
SELECT start, sum(row_count) FROM "{table}" WHERE step = ? AND start >= ? AND start < ?
AND id NOT LIKE '{pruned}%' GROUP BY start
"""


def is_due(file: Path, table: str, until: int, retention: float | None) -> bool:
    """Whether hours have to be rolled up, or records deleted.

    Maintenance loads SQLAlchemy, so only a process that has something to do begins it.

    :param table: the name of the table of records.
    :param until: end of the last hour to roll up: seconds since 1970.
    :param retention: seconds that records are kept; ``None`` keeps them forever.
    """
    try:
        with closing(connect_read_only(read_only_uri(file))) as connection:
            return _is_due(connection, table, until, retention)
    except sqlite3.OperationalError:
        return False  # nothing has been delivered yet


def _is_due(
    connection: sqlite3.Connection, table: str, until: int, retention: float | None
) -> bool:
    row = connection.execute(_ROLLED_UNTIL, (table,)).fetchone()
    rolled_until = 0 if row is None else row[0]
    # If a clock was ahead, the end of the last run may be in the future.
    is_new = rolled_until != until and _has_records_before(connection, table, until)
    if is_new or _has_incomplete_hours(connection, table, until):
        return True
    for key in (late_key(table), state_key(table, "deleting")):
        if connection.execute(_ROLLED_UNTIL, (key,)).fetchone() is not None:
            return True
    if retention is None:
        return False
    return _has_records_before(connection, table, floor_to(time.time() - retention, HOUR))


def _has_records_before(connection: sqlite3.Connection, table: str, before: float) -> bool:
    query = _OLDER.format(table=table)
    return connection.execute(query, (_format_time(before),)).fetchone() is not None


def _has_incomplete_hours(connection: sqlite3.Connection, table: str, until: int) -> bool:
    """Whether an hour has other records than its rollups count."""
    since = until - MAX_DELAY
    query = _ROLLED_UP.format(table=rollups_name(table), pruned=PRUNED_PREFIX)
    rolled_up = dict(connection.execute(query, (HOUR, since, until)))
    counts = connection.execute(
        _COUNTS.format(table=table), (_format_time(since), _format_time(until))
    )
    return any(count != rolled_up.get(int(hour), 0) for hour, count in counts)


def _format_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    return moment.isoformat(" ")
