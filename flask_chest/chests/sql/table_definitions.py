"""The tables of an SQL store: records, rollups, maintenance state and schema versions."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from .column_types import Double
from .table_names import MAINTENANCE, VERSIONS, rollups_name, view_name

_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    # Names that differ only in case are different names.
    "mysql_collate": "utf8mb4_bin",
}
# MariaDB silently stores the length of longer text modulo 65536 in a TEXT.
_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
# By default MySQL keeps whole seconds. It has no time zones; UTC is stored.
_TIME = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")


class Tables(NamedTuple):
    """The tables of one SQL chest, and the view of variables."""

    metadata: sa.MetaData
    records: sa.Table
    variables: sa.Table
    rollups: sa.Table
    maintenance: sa.Table


def make_tables(records: str) -> Tables:
    """Make the tables of one chest.

    :param records: the name of the table of records.
    """
    metadata = sa.MetaData()
    return Tables(
        metadata,
        records_table(records, metadata),
        variables_view(records, sa.MetaData()),
        rollups_table(records, metadata),
        maintenance_table(metadata),
    )


def records_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """The table of records."""
    short, word = sa.String(32), sa.String(255)
    return sa.Table(
        name,
        metadata,
        sa.Column("id", short, primary_key=True),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("request_id", word, nullable=False),
        sa.Column("trace_id", short),
        sa.Column("method", sa.String(16)),
        sa.Column("route", _TEXT),
        sa.Column("endpoint", _TEXT),
        sa.Column("blueprint", _TEXT),
        sa.Column("status", sa.Integer),
        sa.Column("duration_ms", Double),
        sa.Column("error", _TEXT),
        sa.Column("sample_rate", Double, nullable=False),
        sa.Column("vars", _DOCUMENT, nullable=False),
        sa.Column("tags", _DOCUMENT, nullable=False),
        sa.Column("bytes_sent", sa.BigInteger),
        sa.Column("disconnected", sa.Boolean),
        sa.Index(f"ix_{name}_time", "time"),
        sa.Index(f"ix_{name}_request_id", "request_id"),
        # Ids are ordered by time, so this index also finds the latest records of a route.
        sa.Index(f"ix_{name}_route", "route", "time", mysql_length={"route": 191}),
        # SQLite then stores rows in the order of their ids, which is the order of time, and needs
        # no second copy of the id.
        sqlite_with_rowid=False,
        **_MYSQL,
    )


def rollups_table(records: str, metadata: sa.MetaData) -> sa.Table:
    """The table of rollups: one row for each route in each hour and day.

    Rollups stay when their records are deleted, and answer queries of long ranges.

    :param records: the name of the table of records.
    """
    name = rollups_name(records)
    return sa.Table(
        name,
        metadata,
        # Step, start and a hash of the route: a route may be too long for a key.
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("step", sa.Integer, nullable=False),
        # Seconds since 1970.
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("is_request", sa.Boolean, nullable=False),
        sa.Column("route", _TEXT),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("weight", Double, nullable=False),
        sa.Column("errors", Double, nullable=False),
        sa.Column("duration", _DOCUMENT, nullable=False),
        sa.Column("numbers", _DOCUMENT, nullable=False),
        sa.Index(f"ix_{name}_start", "step", "start"),
        **_MYSQL,
    )


def maintenance_table(metadata: sa.MetaData) -> sa.Table:
    """The table of maintenance state: lease and progress of rollups, by table of records."""
    return sa.Table(
        MAINTENANCE,
        metadata,
        sa.Column("table_name", sa.String(128), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        # Seconds since 1970.
        sa.Column("held_until", sa.BigInteger, nullable=False),
        sa.Column("rolled_until", sa.BigInteger, nullable=False),
        **_MYSQL,
    )


def versions_table(metadata: sa.MetaData) -> sa.Table:
    """The table of schema versions, one row for each table of records."""
    return sa.Table(
        VERSIONS,
        metadata,
        sa.Column("table_name", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        **_MYSQL,
    )


def variables_view(records: str, metadata: sa.MetaData) -> sa.Table:
    """The view of variables: one row for each variable, with ``value`` as text.

    :param records: the name of the table of records.
    :param metadata: must not be used to create tables, since this is a view.
    """
    return sa.Table(
        view_name(records),
        metadata,
        sa.Column("record_id", sa.String(32)),
        sa.Column("time", sa.DateTime(timezone=True)),
        sa.Column("request_id", sa.String(255)),
        sa.Column("name", sa.Text),
        sa.Column("value", sa.Text),
    )
