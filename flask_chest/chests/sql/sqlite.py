"""The SQLite chest: the embedded default."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import ConfigError, DeliveryError
from ...record.encoding import loads
from ...record.record import Record
from ..batches import to_lines
from .chest import SQLChest
from .formats.sqlite_rows import Inserts

# SQLite has no booleans. The view returns 'true' and 'false', as in the other databases.
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, v.key AS name,
    CASE WHEN v.type IN ('true', 'false') THEN v.type ELSE v.value END AS value
FROM {table} AS r, json_each(r.vars) AS v
"""
_UNWRITABLE = "let this process write there, or name another file"
# By words of SQLite's messages: its driver has no error codes for these.
_REMEDIES = {
    "unable to open": _UNWRITABLE,
    "readonly": _UNWRITABLE,
    "locked": "another process is writing to it; on a network file system SQLite cannot tell when",
    "is full": "make room on its disk",
    "not a database": "name another file",
}


class FlaskChestSQLite(SQLChest):
    """Stores records in a SQLite file, which many processes can write to.

    The file is in WAL mode, so readers never wait for writers, with ``synchronous=FULL``: a
    delivered batch survives a power failure.

    :param path: the file; a relative path starts at the app's instance folder.
    :param table: the table of records; created on first use.

    .. versionadded:: 1.0
    """

    scheme = "sqlite"
    has_server = False

    def __init__(
        self, path: str = "chest.db", table: str = "chest_records", **arguments: Any
    ) -> None:
        if not path or path == ":memory:":
            raise ConfigError(
                "SQLite needs a file that all processes share, e.g. 'sqlite:///chest.db'; "
                "to keep records in memory use 'memory://'"
            )
        try:
            self.path = Path(path)
        except TypeError:
            # Older versions took the app as the first argument.
            kind = type(path).__name__
            raise ConfigError(
                f"path: expected a file name, not a value of type {kind!r}; pass the app as 'app='"
            ) from None
        super().__init__(table=table, **arguments)
        # A later version of this package may add columns.
        columns = [column.name for column in self.records.columns]
        self._inserts = Inserts(self.records.name, columns, self.body_bytes)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestSQLite:
        """``sqlite:///chest.db`` is relative, ``sqlite:////var/lib/chest.db`` absolute."""
        parts = urlsplit(url)
        if parts.netloc:
            raise ConfigError(f"{url!r}: SQLite has no host; write 'sqlite:///{parts.netloc}'")
        if parts.query or parts.fragment:
            raise ConfigError(
                f"{url!r}: an SQLite URL names a file and nothing else ('?' is '%3F', '#' is "
                "'%23'); for 'table' and 'name' write a dict: {'url': ..., 'table': ...}"
            )
        return cls(path=unquote(parts.path[1:]), **arguments)

    def describe(self) -> str:
        return str(self.file())

    def location(self) -> str:
        return f"{self.file()} {self.records.name}"

    def file(self) -> Path:
        """The absolute path of the database file."""
        if self.app_info is None:
            return self.path.absolute()
        return self.app_info.instance_path / self.path

    def check(self) -> None:
        # A check must not create the file or its folder.
        file = self.file()
        try:
            existing = next(path for path in (file, *file.parents) if path.exists())
        except OSError as error:  # e.g. a folder without read permission
            raise DeliveryError(self.error_message(error, _UNWRITABLE)) from None
        if existing == file:
            super().check()
        elif not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise DeliveryError(
                self.error_message(f"no file can be created in {existing}", _UNWRITABLE)
            )

    def make_engine(self) -> sa.Engine:
        from .sqlite_connection import begin_immediate, create_private, set_pragmas

        file = self.file()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryError(self.error_message(error, _UNWRITABLE)) from None
        create_private(file)
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(file)),
            # One connection, used by one thread at a time: first delivery, later close().
            poolclass=sa.pool.StaticPool,
            connect_args={
                "timeout": self.timeout,
                "isolation_level": None,
                "check_same_thread": False,
            },
        )
        sa.event.listen(engine, "connect", set_pragmas)
        sa.event.listen(engine, "begin", begin_immediate)
        return engine

    def make_read_only_engine(self) -> sa.Engine:
        from .sqlite_connection import connect_read_only, read_only_uri

        return sa.create_engine(
            "sqlite://",
            creator=lambda: connect_read_only(read_only_uri(self.file())),
            json_deserializer=loads,
            poolclass=sa.pool.NullPool,
        )

    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """No lock is needed: every transaction starts with BEGIN IMMEDIATE."""
        return nullcontext()

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        message = str(getattr(error, "orig", ""))
        return "no such table" in message or (
            "unable to open" in message and not self.file().exists()
        )

    def remedy(self, error: BaseException) -> str:
        message = str(getattr(error, "orig", ""))
        return next((remedy for words, remedy in _REMEDIES.items() if words in message), "")

    def view_query(self) -> str:
        return _VIEW.format(table=self.quoted(self.records.name))

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        self._inserts.run(connection, to_lines(records))
