"""Connections to SQLite through the standard library."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .database_file import companion, create_file, has_name, identify, opening
from .fork import keep_forever
from .functions import add_functions

# Pages of 4 KiB in the write-ahead log after which a commit copies them into the database. Batches
# change many pages of the indexes; by default the same pages would be copied four times as often.
_CHECKPOINT_PAGES = 4000
# A log that grew while somebody was reading shrinks to this size when it starts again.
_MAX_WAL_BYTES = 32 * 1024 * 1024
#: The configuration of each connection that writes.
PRAGMAS = (
    "synchronous = FULL",
    f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    f"journal_size_limit = {_MAX_WAL_BYTES}",
    # Overwrites deleted rows with zeros, whatever the build of SQLite does by default.
    "secure_delete = ON",
)
# A log longer than this has a reader that does not end.
_LONG_WAL_BYTES = 2 * _MAX_WAL_BYTES
_SECONDS_BETWEEN_TRUNCATIONS = 10.0


class Connection(sqlite3.Connection):
    """A connection that is closed when nobody holds it: apps may be dropped without ``close()``."""

    def __del__(self) -> None:
        # Python 3.13 and newer warn of a connection that is not closed. One that could not be
        # opened raises an error.
        with suppress(sqlite3.Error):
            self.close()


class WALUnavailableError(sqlite3.OperationalError):
    """The file system has no shared memory, which the write-ahead log needs."""


class Database:
    """The connection of one process to a database file, and the identity of the file.

    :param path: the database file; it is created if it is missing.
    :param timeout: seconds to wait for other writers.
    :raises OSError: the file or its folder cannot be created.
    :raises sqlite3.Error: the file cannot be opened.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with opening(path.parent):
            create_file(path)
            identity = identify(path)
            if identity is None:
                raise sqlite3.OperationalError("the file was removed while it was opened")
            self.identity = identity
            self.connection = connect(path, timeout)
            try:
                # The first query opens the write-ahead log.
                self.connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
                self._companions = {
                    suffix: identify(companion(path, suffix)) for suffix in ("-wal", "-shm")
                }
                if self.is_moved():
                    raise sqlite3.OperationalError("the file was replaced while it was opened")
            except BaseException:
                self.connection.close()
                raise
        self._truncate_at = 0.0

    def is_moved(self) -> bool:
        """Whether the path names another file now, or none: connections keep the old file."""
        return identify(self.path) != self.identity

    def is_split(self) -> bool:
        """Whether -wal or -shm was deleted: others make new ones, which this connection ignores."""
        return any(
            known is not None and identify(companion(self.path, suffix)) != known
            for suffix, known in self._companions.items()
        )

    def is_lost(self) -> bool:
        """Whether what was committed last is in no file: the file or the log has no name."""
        if self.is_moved():
            return not has_name(self.identity)
        return self.is_split() and not self._can_be_completed()

    def _can_be_completed(self) -> bool:
        # If there is a new log, others have written to the database without the old log. The old
        # log would overwrite that.
        return self.is_moved() or identify(companion(self.path, "-wal")) in {
            None,
            self._companions["-wal"],
        }

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end, or roll back after an exception."""
        # A deferred transaction that reads and then writes fails at once if another one wrote in
        # between: https://sqlite.org/isolation.html
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the connection. If the file was moved, everything is in it afterwards."""
        if self.is_moved() or self.is_split():
            if not self._can_be_completed():
                keep_forever(self.connection)  # closing it would apply the old log
                return
            self._complete()
        self.connection.close()

    def drop(self) -> None:
        """After a fork, in the child: keep the parent's connection, but never use it."""
        keep_forever(self.connection)

    def _complete(self) -> None:
        # SQLite does not do this when it closes a moved file. The log would stay under the old
        # name, where it would be taken for that of the next file.
        with suppress(OSError, sqlite3.Error), opening(self.path.parent):
            self.connection.execute("PRAGMA busy_timeout = 1000")
            self.connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            for suffix, identity in self._companions.items():
                path = companion(self.path, suffix)
                if identity is not None and identify(path) == identity:
                    path.unlink()

    def unshrinkable_wal(self) -> int:
        """The size in bytes of a long write-ahead log that a reader keeps; 0 if there is none.

        A log that nobody reads any more is truncated.
        """
        path = companion(self.path, "-wal")
        try:
            size = path.stat().st_size
        except OSError:
            return 0
        if size <= _LONG_WAL_BYTES or time.monotonic() < self._truncate_at:
            return 0
        self._truncate_at = time.monotonic() + _SECONDS_BETWEEN_TRUNCATIONS
        [timeout] = self.connection.execute("PRAGMA busy_timeout").fetchone()
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            is_busy = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {timeout}")
        return size if is_busy else 0


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Connect to a file to write to it.

    :param timeout: seconds to wait for other writers.
    """
    connection = sqlite3.connect(
        path,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    try:
        configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: Any) -> None:
    """Configure a new connection that writes: write-ahead log, and durable commits."""
    _switch_to_wal(connection)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: Any) -> None:
    # SQLite does not call its busy handler while it switches a database to WAL, so two processes
    # that open a new file at once would fail with "database is locked":
    # https://sqlite.org/wal.html#noshm
    for _ in range(100):
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.02)
    else:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise WALUnavailableError(f"no write-ahead log: the journal mode stays {mode!r}")


def read_only_uri(file: Path) -> str:
    """Return the file: URI for a connection that only reads, and creates no missing database."""
    uri = f"file:{quote(str(file))}?mode=ro"
    # To read a database in WAL mode, SQLite creates two files beside it, and fails where it
    # cannot: on a read-only disk, or as a user who may only read. Without these files nobody has
    # the database open, so it does not change: https://sqlite.org/wal.html#read_only_databases
    if os.access(file.parent, os.X_OK) and not os.access(file.parent, os.W_OK):
        return uri if Path(f"{file}-wal").exists() else f"{uri}&immutable=1"
    return uri


def connect_read_only(uri: str) -> Any:
    """Connect to a file: URI, with the functions that queries need."""
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, factory=Connection)
    try:
        # Reads pages from the page cache without copying them.
        connection.execute("PRAGMA mmap_size = 4294967296")
        add_functions(connection)
    except BaseException:
        connection.close()
        raise
    return connection
