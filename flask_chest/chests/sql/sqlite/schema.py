"""Creates the tables of a SQLite file without SQLAlchemy.

``tests/chests/sql/sqlite/test_schema.py`` checks that the tables are those of ``tables.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....record.json_line import FIELDS
from .. import table_names
from ..table_names import MAINTENANCE, VERSIONS, foreign_table, rollups_name, view_name

if TYPE_CHECKING:
    import sqlite3

_VERSIONS = f"""
CREATE TABLE IF NOT EXISTS {VERSIONS} (
    table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (table_name)
)"""
# SQLite stores the rows of a table without rowid in the order of their ids, which is the order of
# time, and needs no second copy of the id.
_RECORDS = """
CREATE TABLE IF NOT EXISTS {table} (
    id VARCHAR(32) NOT NULL, time DATETIME NOT NULL, kind VARCHAR(16) NOT NULL,
    request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32), method VARCHAR(16), route TEXT,
    endpoint TEXT, blueprint TEXT, status INTEGER, duration_ms DOUBLE, error TEXT,
    sample_rate DOUBLE NOT NULL, vars JSON NOT NULL, tags JSON NOT NULL, bytes_sent BIGINT,
    disconnected BOOLEAN, PRIMARY KEY (id)
) WITHOUT ROWID"""
_ROLLUPS = """
CREATE TABLE IF NOT EXISTS {table} (
    id VARCHAR(80) NOT NULL, step INTEGER NOT NULL, start BIGINT NOT NULL,
    is_request BOOLEAN NOT NULL, route TEXT, row_count BIGINT NOT NULL, weight DOUBLE NOT NULL,
    errors DOUBLE NOT NULL, duration JSON NOT NULL, numbers JSON NOT NULL, PRIMARY KEY (id)
)"""
_MAINTENANCE = f"""
CREATE TABLE IF NOT EXISTS {MAINTENANCE} (
    table_name VARCHAR(128) NOT NULL, holder VARCHAR(64) NOT NULL, held_until BIGINT NOT NULL,
    rolled_until BIGINT NOT NULL, PRIMARY KEY (table_name)
)"""
_RECORDS_INDEXES = {"time": "time", "request_id": "request_id", "route": "route, time"}
_ROLLUPS_INDEXES = {"start": "step, start"}
# SQLite has no booleans. The view returns 'true' and 'false', as in the other databases.
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, v.key AS name,
    CASE WHEN v.type IN ('true', 'false') THEN v.type ELSE v.value END AS value
FROM "{table}" AS r, json_each(r.vars) AS v
"""

_VERSION = "SELECT version FROM chest_schema WHERE table_name = ?"
_SET_VERSION = """
INSERT INTO chest_schema VALUES (?, ?)
ON CONFLICT (table_name) DO UPDATE SET version = excluded.version
"""


class ForeignTableError(Exception):
    """A table of the same name was not created by this package: its reason and a remedy."""


def view_query(table: str) -> str:
    """The ``SELECT`` of the view of variables."""
    return _VIEW.format(table=table)


def find_version(connection: sqlite3.Connection, table: str) -> int | None:
    """The schema version of a table of records; ``None`` if the table has to be created."""
    existing = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {VERSIONS, table} <= existing:
        return None
    row = connection.execute(_VERSION, (table,)).fetchone()
    version = None if row is None else int(row[0])
    if version is None or version == 1 or {rollups_name(table), MAINTENANCE} <= existing:
        return version
    return None  # these tables were dropped or renamed


def create(connection: sqlite3.Connection, table: str) -> None:
    """Create missing tables, indexes and the view, within a transaction.

    :param table: the name of the table of records.
    :raises ForeignTableError: a table of this name has other columns.
    """
    if find_version(connection, table) is not None:
        return  # another process has created it
    _check_columns(connection, table)
    connection.execute(_VERSIONS)
    connection.execute(_RECORDS.format(table=table))
    _create_indexes(connection, table, _RECORDS_INDEXES)
    rollups = rollups_name(table)
    connection.execute(_ROLLUPS.format(table=rollups))
    _create_indexes(connection, rollups, _ROLLUPS_INDEXES)
    connection.execute(_MAINTENANCE)
    _create_view(connection, table)
    connection.execute(_SET_VERSION, (table, table_names.SCHEMA_VERSION))


def _check_columns(connection: sqlite3.Connection, table: str) -> None:
    existing = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    missing = [name for name in FIELDS if name not in existing]
    if existing and missing:
        raise ForeignTableError(*foreign_table(table, missing))


def _create_indexes(connection: sqlite3.Connection, table: str, indexes: dict[str, str]) -> None:
    query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"
    owners = dict(connection.execute(query))
    for suffix, columns in indexes.items():
        name = next(
            each for each in _index_names(table, suffix) if owners.get(each, table) == table
        )
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")


def _index_names(table: str, suffix: str) -> Iterator[str]:
    # A table that was renamed keeps its indexes, and so their names.
    number = 1
    yield f"ix_{table}_{suffix}"
    while True:
        number += 1
        yield f"ix_{table}_{suffix}_{number}"


def _create_view(connection: sqlite3.Connection, table: str) -> None:
    view = view_name(table)
    query = "SELECT 1 FROM sqlite_master WHERE name = ?"
    if connection.execute(query, (view,)).fetchone() and _reads(connection, view, table):
        return
    connection.execute(f'DROP VIEW IF EXISTS "{view}"')
    connection.execute(f'CREATE VIEW "{view}" AS {view_query(table)}')


def _reads(connection: sqlite3.Connection, view: str, table: str) -> bool:
    """Whether a view reads this table. The view of a renamed table reads the renamed table."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?"
    row = connection.execute(query, (view,)).fetchone()
    return row is None or f'"{table}"' in row[0]
