"""The base class of all SQL chests."""

from __future__ import annotations

import re
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from operator import methodcaller
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import exc

from ..._throttle import LogThrottle
from ...errors import ConfigError, DeliveryError, RejectedError
from ...query.eraser import Eraser
from ...query.reader import Reader
from ...record.record import Record
from ..base import Chest
from ..batches import oldest_time
from ..client import PerProcessClient
from .eraser import SQLEraser
from .maintenance import maintain, prune
from .reader import SQLReader
from .rollups.late_records import LateRecords, is_late
from .schema import Schema
from .tables import maintenance_table, records_table, rollups_table, variables_view

# ASCII, and short enough for index names to fit into PostgreSQL's 63 bytes.
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


class SQLChest(Chest):
    """Stores records in an SQL database, through SQLAlchemy.

    The first :meth:`write` in a process makes the engine, so no connection is shared with a forked
    process.

    :param table: the table of records; created on first use.
    """

    needs_maintenance = True
    shareable = True

    #: Maximum size of one statement in bytes. Servers refuse greater ones (MariaDB: 16 MiB by
    #: default).
    body_bytes: ClassVar[int] = 4 * 1024 * 1024

    #: Whether connections lead to a server, which another one may replace.
    has_server: ClassVar[bool] = True

    #: The quotation mark around identifiers.
    quote: ClassVar[str] = '"'

    def __init__(self, *, table: str = "chest_records", **arguments: Any) -> None:
        super().__init__(**arguments)
        if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
            raise ConfigError(
                f"table {table!r}: use letters, digits and underscores, at most 40 of them"
            )
        self.metadata = sa.MetaData()
        self.records = records_table(table, self.metadata)
        self.variables = variables_view(table, sa.MetaData())
        self.rollups = rollups_table(table, self.metadata)
        self.maintenance = maintenance_table(self.metadata)
        self._schema = Schema(self)
        self._late_records = LateRecords(self.maintenance, table)
        self._engine = PerProcessClient(
            self._open_engine,
            close=sa.Engine.dispose,
            drop=methodcaller("dispose", close=False),
        )
        self._log = LogThrottle(self.logger)

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        try:
            self._write(records)
        except RejectedError as error:
            raise RejectedError(
                self.error_message(str(error)), record_ids=error.record_ids
            ) from None
        except exc.SQLAlchemyError as error:
            raise self._to_chest_error(error) from None
        self._report_late_records(oldest_time(records))

    def _write(self, records: Sequence[Record]) -> None:
        start = time.monotonic()
        try:
            self._write_once(records)
        except exc.DBAPIError as error:
            # The server closed the connection since the last batch, e.g. for a restart. This
            # fails at once, so a second attempt on a new connection still ends in time.
            if not error.connection_invalidated or time.monotonic() - start > self.timeout / 2:
                raise
            self._write_once(records)

    def _write_once(self, records: Sequence[Record]) -> None:
        with self.engine().begin() as connection:
            self.insert(connection, records)

    def _report_late_records(self, oldest: float) -> None:
        if not is_late(oldest):
            return
        # The records are stored already, so an error must not make delivery send them again.
        try:
            self._late_records.report(self.engine(), int(oldest))
        except exc.SQLAlchemyError as error:
            remedy = "rollups lack records that were delivered days late"
            self._log.warning("late", "%s", self.error_message(error, remedy))

    def check(self) -> None:
        try:
            with self.engine().connect() as connection:
                connection.execute(sa.select(1))
        except exc.SQLAlchemyError as error:
            raise DeliveryError(str(self._to_chest_error(error))) from None

    def close(self) -> None:
        self._engine.close()

    def engine(self) -> sa.Engine:
        """The engine of this process, after the tables were created or upgraded.

        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        :raises flask_chest.errors.DeliveryError: a table with this name has other columns.
        """
        return self._engine.get()

    def _open_engine(self) -> sa.Engine:
        engine = self.make_engine()
        try:
            self._schema.create_or_upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def reader(self) -> Reader:
        return SQLReader(self)

    def eraser(self) -> Eraser:
        return SQLEraser(self)

    def prune(self, before: datetime, stop: threading.Event) -> Iterator[int]:
        return prune(self, before, stop)

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        maintain(self, until, retention, stop)

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Make an engine for this database, without connecting."""

    def make_read_only_engine(self) -> sa.Engine:
        """Make an engine whose connections only read."""
        return self.make_engine()

    @abstractmethod
    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Let one process at a time create or upgrade tables."""

    @abstractmethod
    def view_query(self) -> str:
        """The ``SELECT`` of the view of variables, in the SQL of this database."""

    @abstractmethod
    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Insert records; skip records whose id is stored already."""

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        """Whether the database would refuse the same records again."""
        return isinstance(error, (exc.IntegrityError, exc.DataError))

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        """Whether a statement failed because the table does not exist yet."""
        return False

    def error_message(self, reason: object, remedy: str = "") -> str:
        # The message of SQLAlchemy's exception has the statement and its parameters, which are
        # values of the app's users.
        return super().error_message(getattr(reason, "orig", None) or reason, remedy)

    def quoted(self, name: str) -> str:
        """An identifier, quoted for this database."""
        return f"{self.quote}{name}{self.quote}"

    def _to_chest_error(self, error: exc.SQLAlchemyError) -> DeliveryError | RejectedError:
        if self.is_rejection(error):
            return RejectedError(self.error_message(error))
        if self.has_server or isinstance(error, exc.ProgrammingError):
            # A server may have been demoted, and its tables may have been dropped or renamed. The
            # next batch connects to the server that the address leads to by then, and creates
            # missing tables.
            self.close()
        return self.to_delivery_error(error)
