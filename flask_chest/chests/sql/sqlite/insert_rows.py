"""Inserts encoded records into SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ....record.json_line import FIELDS
from ....record.record import Record
from ...batch_bodies import json_bodies

# The batch is one parameter, which SQLite parses without holding the GIL; rows would be bound one
# by one, and each of them would wait for the GIL twice. The LIMIT keeps SQLite from serializing an
# object again for each value that is extracted from it.
# Not "OR IGNORE", which would silently drop a record with a NULL in a NOT NULL column.
_INSERT = """
INSERT INTO "{table}" ({columns}) SELECT {values}
FROM (SELECT value AS line FROM json_each(?) LIMIT -1) WHERE true ON CONFLICT (id) DO NOTHING
"""
_EXTRACT = "json_extract(line, '$.{name}')"
# The format of SQLite's date functions, which sorts by time.
_TIME = "datetime({us} / 1000000, 'unixepoch') || '.' || substr({us} % 1000000 + 1000000, 2)"
# Maximum size of one array in bytes.
_MAX_BYTES = 4 * 1024 * 1024


def insert(connection: sqlite3.Connection, table: str, records: Sequence[Record]) -> None:
    """Insert records; skip records whose id is stored already.

    :param table: the name of the table.
    :raises flask_chest.errors.RejectedError: JSON cannot represent a value of a record.
    """
    # By name: a later version of this package may have added columns.
    statement = _INSERT.format(
        table=table, columns=", ".join(FIELDS), values=", ".join(map(_extract, FIELDS))
    )
    for body in json_bodies(records, _MAX_BYTES):
        connection.execute(statement, (body.decode(),))


def _extract(name: str) -> str:
    value = _EXTRACT.format(name=name)
    return _TIME.format(us=value) if name == "time" else value
