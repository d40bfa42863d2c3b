"""SQLAlchemy's engines for SQLite."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event, pool

from ....record.json_line import loads
from .connection import connect, connect_read_only, read_only_uri
from .database_file import create_file


def make_engine(file: Path, timeout: float) -> sa.Engine:
    """Make an engine that reads and writes.

    :param timeout: seconds to wait for other writers.
    """

    def open_connection() -> object:
        create_file(file)
        return connect(file, timeout)

    engine = sa.create_engine(
        "sqlite://",
        creator=open_connection,
        # One connection, used by one thread at a time.
        poolclass=pool.StaticPool,
        future=True,
    )
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _begin_immediate(connection: sa.Connection) -> None:
    # A deferred transaction that reads and then writes fails at once if another one wrote in
    # between: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make_read_only_engine(file: Path) -> sa.Engine:
    """Make an engine whose connections only read, and do not create a missing file."""
    return sa.create_engine(
        "sqlite://",
        creator=lambda: connect_read_only(read_only_uri(file)),
        json_deserializer=loads,
        poolclass=pool.NullPool,
        future=True,
    )
