"""The SQLite chest: the embedded default. It writes without SQLAlchemy."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ....errors import ConfigError, DeliveryError, RejectedError
from ....record.record import Record
from ..sql_chest import SQLChest
from .database_file import check_path, nearest_existing
from .fork import close_before_fork
from .schema import ForeignTableError, view_query

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy import exc

    from .writer import SQLiteWriter


class FlaskChestSQLite(SQLChest):
    """Stores records in a SQLite file, which many processes can write to.

    The file is in WAL mode, so readers never wait for writers, with ``synchronous=FULL``: a
    delivered batch survives a power failure. A new file is readable by its owner only.

    :param path: the file; a relative path starts at the app's instance folder.
    :param table: the table of records; created on first use.

    .. versionadded:: 1.0
    """

    scheme = "sqlite"

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
        if "\0" in str(path):
            raise ConfigError(f"path: {str(path)!r} contains NUL, which no file name can")
        super().__init__(table=table, **arguments)
        close_before_fork(self)

    @cached_property
    def _writer(self) -> SQLiteWriter:
        # The driver is loaded by the first use, not by an app that is configured.
        from .writer import SQLiteWriter

        return SQLiteWriter(self)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestSQLite:
        """``sqlite:///chest.db`` is relative, ``sqlite:////var/lib/chest.db`` absolute."""
        parts = urlsplit(url)
        if parts.netloc:
            # The message quotes nothing before an '@': it may be a password.
            file = parts.netloc.rpartition("@")[2]
            raise ConfigError(f"SQLite has no host; write 'sqlite:///{file}'")
        if parts.query or parts.fragment:
            raise ConfigError(
                "an SQLite URL names a file and nothing else ('?' is '%3F', '#' is "
                "'%23'); for 'table' and 'name' write a dict: {'url': ..., 'table': ...}"
            )
        return cls(path=unquote(parts.path[1:]), **arguments)

    def describe(self) -> str:
        return str(self.file())

    def location(self) -> str:
        return f"{self.file()} {self.table}"

    def local_file(self) -> Path:
        return self.file()

    def file(self) -> Path:
        """The absolute path of the database file."""
        if self.app_info is None:
            return self.path.absolute()
        return self.app_info.instance_path / self.path

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        with self._converted_errors():
            try:
                self._writer.write(records)
            except RejectedError as error:
                reason = self.error_message(str(error))
                raise RejectedError(reason, record_ids=error.record_ids) from None

    def check_rights(self) -> None:
        if not self.file().exists():
            return  # check() has found that it can be created
        with self._converted_errors():
            self._writer.try_to_write(Record(id="0" * 32, time=datetime.now(timezone.utc)))

    def check(self) -> None:
        import sqlite3

        from .errors import UNWRITABLE

        # A check must not create the file or its folder.
        file = self.file()
        try:
            check_path(file)
            existing = nearest_existing(file)
            if existing == file:
                self._check_file(file)
        except (OSError, sqlite3.Error) as error:  # e.g. a folder without read permission
            raise self.to_delivery_error(error) from None
        if existing != file and not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise self.unavailable(f"no file can be created in {existing}", UNWRITABLE)

    def _check_file(self, file: Path) -> None:
        from .connection import connect_read_only, read_only_uri

        with closing(connect_read_only(read_only_uri(file))) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        # SQLite makes -wal beside the file.
        if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)):
            raise PermissionError("this process must not write to the file or its folder")

    def close(self) -> None:
        super().close()
        writer: SQLiteWriter | None = vars(self).get("_writer")
        if writer is not None:
            writer.close()

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        from .maintenance_due import is_due

        if is_due(self.file(), self.table, until, retention):
            super().maintain(until, retention, stop)

    def overwrite_free_space(self, engine: sa.Engine) -> str | None:
        # Deleting overwrites rows in the file (secure_delete), but not in the write-ahead log.
        connection = engine.raw_connection()  # a transaction would lock the file against itself
        try:
            cursor = connection.cursor()
            is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            connection.close()
        if not is_busy:
            return None
        return f"{self.file()}-wal may hold the records until nobody reads the file any more"

    def make_engine(self) -> sa.Engine:
        from .engine import make_engine

        return make_engine(self.file(), self.timeout)

    def make_read_only_engine(self) -> sa.Engine:
        from .engine import make_read_only_engine

        return make_read_only_engine(self.file())

    def _open_engine(self) -> sa.Engine:
        with self._converted_errors():
            self._writer.open()
        return self.make_engine()

    def upgrade(self) -> None:
        """Upgrade tables of an older version. This is rare, so it may load SQLAlchemy."""
        from ..table_creation_and_upgrade import Schema

        engine = self.make_engine()
        try:
            Schema(self).create_or_upgrade(engine)
        finally:
            engine.dispose()

    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """No lock is needed: every transaction starts with BEGIN IMMEDIATE."""
        return nullcontext()

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        message = str(getattr(error, "orig", ""))
        return "no such table" in message or (
            "unable to open" in message and not self.file().exists()
        )

    def remedy(self, error: BaseException) -> str:
        from .errors import remedy_for

        return remedy_for(getattr(error, "orig", None) or error)

    def view_query(self) -> str:
        return view_query(self.table)

    @contextmanager
    def _converted_errors(self) -> Iterator[None]:
        import sqlite3

        with self.converted_errors():
            try:
                yield
            except (sqlite3.Error, OSError, ForeignTableError) as error:
                raise self._to_chest_error(error) from None

    def _to_chest_error(self, error: Exception) -> DeliveryError | RejectedError:
        if isinstance(error, ForeignTableError):
            return self.unavailable(*error.args)
        from .errors import is_rejection

        if is_rejection(error):
            return RejectedError(self.error_message(error))
        return self.to_delivery_error(error)
