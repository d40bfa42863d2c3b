"""Connections to SQLite."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def create_private(file: Path) -> None:
    """Create an empty database that only this user can read; an existing file keeps its mode.

    SQLite gives its files ``-wal`` and ``-shm`` the mode of the database.
    """
    target = Path(os.path.realpath(file))  # O_EXCL does not follow links
    # If the file cannot be created, SQLite says why.
    with suppress(OSError), os.fdopen(os.open(target, _NEW_FILE, 0o600), "wb") as new:
        folder = target.parent.stat()
        if os.geteuid() == 0:
            # Root may run a command before the app, which runs as another user, has its file.
            os.fchown(new.fileno(), folder.st_uid, folder.st_gid)


def set_pragmas(connection: Any, _: Any) -> None:
    """Configure a new connection: write-ahead log, and durable commits."""
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _switch_to_wal(connection: Any) -> None:
    # SQLite does not call its busy handler while it switches a database to WAL, so two processes
    # that open a new file at once would fail with "database is locked":
    # https://sqlite.org/wal.html#noshm
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            time.sleep(0.02)
    connection.execute("PRAGMA journal_mode = WAL")


def begin_immediate(connection: sa.Connection) -> None:
    """Start a transaction that waits for other writers."""
    # A deferred transaction that reads and then writes fails at once if another one wrote in
    # between: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def read_only_uri(file: Path) -> str:
    """Return the file: URI for a connection that only reads, and creates no missing database."""
    uri = f"file:{quote(str(file))}?mode=ro"
    # To read a database in WAL mode, SQLite creates two files beside it, and fails where it
    # cannot: on a read-only disk, or as a user who may only read. Without these files nobody has
    # the database open, so it does not change: https://sqlite.org/wal.html#read_only_databases
    if not os.access(file.parent, os.W_OK) and not Path(f"{file}-wal").exists():
        uri += "&immutable=1"
    return uri


def connect_read_only(uri: str) -> Any:
    """Connect to a file: URI, with a natural logarithm for percentiles."""
    connection = sqlite3.connect(uri, uri=True)
    # Reads pages from the page cache without copying them.
    connection.execute("PRAGMA mmap_size = 4294967296")
    try:
        connection.execute("SELECT ln(1)")
    except sqlite3.OperationalError:
        # Built without https://sqlite.org/lang_mathfunc.html
        connection.create_function("ln", 1, _ln, deterministic=True)
    return connection


def _ln(value: float | None) -> float | None:
    return math.log(value) if value is not None and value > 0 else None
