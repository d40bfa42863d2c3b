"""The tables beside the records: sums of hours and days, and who looks after them.

One row stands for the requests of one route in one hour or day. It stays when the records go, and
it answers questions about long ranges.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

if TYPE_CHECKING:
    from .chest import SQLChest

#: Seconds of the two kinds of rows.
HOUR, DAY = 3600, 86_400
#: Late records are looked for so far back from where the last sums end.
LATE = 2 * DAY

_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def rollups_table(records: str, metadata: sa.MetaData) -> sa.Table:
    """The sums of a table of records.

    :param records: the name of that table.
    """
    text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    name = f"{records}_rollups"
    return sa.Table(
        name,
        metadata,
        # Its step, its start and a hash of its route: a route may be longer than a key.
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("step", sa.Integer, nullable=False),
        # Seconds since 1970: whole hours need no type of their own.
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("is_request", sa.Boolean, nullable=False),
        sa.Column("route", text),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("errors", sa.Double, nullable=False),
        sa.Column("duration", document, nullable=False),
        sa.Column("numbers", document, nullable=False),
        sa.Index(f"ix_{name}_start", "step", "start"),
        **_MYSQL,
    )


def upkeep_table(metadata: sa.MetaData) -> sa.Table:
    """Who looks after which table, until when, and how far it has come."""
    return sa.Table(
        "chest_upkeep",
        metadata,
        sa.Column("table_name", sa.String(128), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        # Seconds since 1970.
        sa.Column("held_until", sa.BigInteger, nullable=False),
        sa.Column("rolled_until", sa.BigInteger, nullable=False),
        **_MYSQL,
    )


def late_row(table: str) -> str:
    """The row that says, in ``rolled_until``, how far back sums are to be looked at again.

    In ``held_until`` it counts how often that was said.

    :param table: the name of the table of records, which has no colon.
    """
    return f"{table}:late"


def note_late(chest: SQLChest, oldest: float) -> None:
    """Tell upkeep of records that were written so late that it would not look for them.

    :param oldest: the time of the oldest: seconds since 1970.
    """
    if oldest >= time.time() - LATE:
        return
    try:
        _tell(chest.engine(), chest.upkeep, late_row(chest.records.name), int(oldest))
    except sa.exc.SQLAlchemyError as error:
        told = chest.error_message(error, "sums lack records that came days late")
        chest.log.warning("late", "%s", told)


def _tell(engine: sa.Engine, upkeep: sa.Table, row: str, at: int) -> None:
    columns = upkeep.columns
    earlier = sa.case((columns.rolled_until > at, at), else_=columns.rolled_until)
    # Counted, so that who looks for them now sees that more have come meanwhile.
    told = {"rolled_until": earlier, "held_until": columns.held_until + 1}
    update = sa.update(upkeep).where(columns.table_name == row).values(told)
    there = sa.select(columns.table_name).where(columns.table_name == row)
    with engine.begin() as connection:
        connection.execute(update)
        if connection.execute(there).first() is not None:
            return
    first = {"table_name": row, "holder": "", "held_until": 0, "rolled_until": at}
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(upkeep).values(first))
    except sa.exc.IntegrityError:  # another one was faster
        with engine.begin() as connection:
            connection.execute(update)


def add_rollups(connection: sa.Connection, table: str) -> None:
    """Bring a database of version 1 to version 2."""
    metadata = sa.MetaData()
    rollups_table(table, metadata)
    upkeep_table(metadata)
    metadata.create_all(connection)
    for each in metadata.tables.values():
        for index in each.indexes:
            # MySQL has no transaction around DDL: a worker may have died before this one.
            index.create(connection, checkfirst=True)
