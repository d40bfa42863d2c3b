"""What the SQL stores share: one schema, its making and upgrading, and the way errors are told."""

from __future__ import annotations

import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from operator import methodcaller
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql, postgresql

from ..._throttle import LogThrottle
from ...errors import ConfigError, DeliveryError, RejectedError
from ...query.eraser import Eraser
from ...query.reader import Reader
from ...record.record import Record
from ..base import Chest
from ..batches import oldest_time
from ..client import PerProcessClient
from .late_records import add_rollups, note_late, rollups_table, upkeep_table

#: The version of the schema that this release writes.
SCHEMA_VERSION = 2

# ASCII, and short enough for the names of its indexes to fit into PostgreSQL's 63 bytes.
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def records_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """The table of records. Types that differ by database are given as variants."""
    short, word = sa.String(32), sa.String(255)
    # MariaDB stores the length of longer text modulo 65536 in a TEXT, without a word.
    text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
    # MySQL would keep whole seconds, and knows no time zones: it stores UTC.
    moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    return sa.Table(
        name,
        metadata,
        sa.Column("id", short, primary_key=True),
        sa.Column("time", moment, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("request_id", word, nullable=False),
        sa.Column("trace_id", short),
        sa.Column("method", sa.String(16)),
        sa.Column("route", text),
        sa.Column("endpoint", text),
        sa.Column("blueprint", text),
        sa.Column("status", sa.Integer),
        sa.Column("duration_ms", sa.Double),
        sa.Column("error", text),
        sa.Column("sample_rate", sa.Double, nullable=False),
        sa.Column("vars", document, nullable=False),
        sa.Column("tags", document, nullable=False),
        sa.Column("bytes_sent", sa.BigInteger),
        sa.Column("disconnected", sa.Boolean),
        sa.Index(f"ix_{name}_time", "time"),
        sa.Index(f"ix_{name}_request_id", "request_id"),
        # Ids are time-ordered, so this index serves "the latest of a route" as well.
        sa.Index(f"ix_{name}_route", "route", "time", mysql_length={"route": 191}),
        # Rows then lie in the order of their ids, which is the order of time: no second copy of id.
        sqlite_with_rowid=False,
        # Names that differ only in case are different names.
        **_MYSQL,
    )


def schema_table(metadata: sa.MetaData) -> sa.Table:
    """The table that says which version each table of records has."""
    return sa.Table(
        "chest_schema",
        metadata,
        sa.Column("table_name", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        **_MYSQL,
    )


def variables_view(name: str, metadata: sa.MetaData) -> sa.Table:
    """The view of variables, for reading: one row per variable, ``value`` as text.

    It stands in a ``MetaData`` of its own, so that nothing makes a table of that name.
    """
    return sa.Table(
        view_name(name),
        metadata,
        sa.Column("record_id", sa.String(32)),
        sa.Column("time", sa.DateTime(timezone=True)),
        sa.Column("request_id", sa.String(255)),
        sa.Column("name", sa.Text),
        sa.Column("value", sa.Text),
    )


def view_name(table: str) -> str:
    """The view that has one row per variable: ``chest_vars`` for ``chest_records``."""
    return "chest_vars" if table == "chest_records" else f"{table}_vars"


class SQLChest(Chest):
    """A chest in an SQL database, reached through SQLAlchemy.

    The engine is made by the first :meth:`write` of a process, so never before a fork.

    :param table: the table of records; made on first use.
    """

    needs_maintenance = True

    #: Versions above 1 and what brings a table there from the one before.
    upgrades: ClassVar[Mapping[int, Callable[[sa.Connection, str], None]]] = {2: add_rollups}

    #: Bytes of one statement. Servers refuse far bigger ones (MariaDB: 16 MiB by default).
    body_bytes: ClassVar[int] = 4 * 1024 * 1024

    #: How this database quotes a name.
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
        self.upkeep = upkeep_table(self.metadata)
        self._schema = schema_table(self.metadata)
        self._engine = PerProcessClient(
            self._open_engine,
            close=sa.Engine.dispose,
            drop=methodcaller("dispose", close=False),
        )
        self.log = LogThrottle(self.logger)

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
        # They are stored: what goes wrong now does not have them sent again.
        note_late(self, oldest_time(records))

    def _write(self, records: Sequence[Record]) -> None:
        begun = time.monotonic()
        try:
            self._write_once(records)
        except exc.DBAPIError as error:
            # The server hung up since the last batch, e.g. for a restart: that is told at once, so
            # a second try on a new connection still ends in time.
            if not error.connection_invalidated or time.monotonic() - begun > self.timeout / 2:
                raise
            self._write_once(records)

    def _write_once(self, records: Sequence[Record]) -> None:
        with self.engine().begin() as connection:
            self.insert(connection, records)

    def check(self) -> None:
        try:
            with self.engine().connect() as connection:
                connection.execute(sa.select(1))
        except exc.SQLAlchemyError as error:
            raise DeliveryError(str(self._to_chest_error(error))) from None

    def close(self) -> None:
        self._engine.close()

    def engine(self) -> sa.Engine:
        """This process' engine, with the table made and brought up to date.

        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        :raises flask_chest.errors.DeliveryError: a table of that name has other columns.
        """
        return self._engine.get()

    def _open_engine(self) -> sa.Engine:
        engine = self.make_engine()
        try:
            self._make_schema(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """An engine for this database; nothing is connected yet."""

    def make_read_only_engine(self) -> sa.Engine:
        """An engine for those who only read."""
        return self.make_engine()

    def reader(self) -> Reader:
        from .reader import SQLReader

        return SQLReader(self)

    def eraser(self) -> Eraser:
        from .eraser import SQLEraser

        return SQLEraser(self)

    def prune(self, before: datetime, stop: threading.Event) -> Iterator[int]:
        from .maintenance import prune

        return prune(self, before, stop)

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        from .maintenance import maintain

        maintain(self, until, retention, stop)

    @abstractmethod
    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Let one worker at a time make or upgrade the tables."""

    @abstractmethod
    def view_query(self) -> str:
        """The ``SELECT`` behind the view of variables, in this database's SQL."""

    @abstractmethod
    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Insert records, passing over ids that are there already."""

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        """Whether the database will never take what it was given."""
        return isinstance(error, (exc.IntegrityError, exc.DataError))

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        """Whether a query failed because nothing was delivered yet."""
        return False

    def error_message(self, reason: object, remedy: str = "") -> str:
        # SQLAlchemy's message holds the SQL and its parameters: values of the app's users.
        return super().error_message(getattr(reason, "orig", None) or reason, remedy)

    def quoted(self, name: str) -> str:
        """A name as it stands in this database's SQL."""
        return f"{self.quote}{name}{self.quote}"

    def _make_schema(self, engine: sa.Engine) -> None:
        with engine.connect() as connection, self.schema_lock(connection):
            self._bring_schema(connection)
            # Before the lock is let go: who comes next must see it.
            connection.commit()

    def _bring_schema(self, connection: sa.Connection) -> None:
        self.metadata.create_all(connection, tables=[self._schema])
        version = self._version(connection)
        if version is None or not sa.inspect(connection).has_table(self.records.name):
            self._create(connection, version)
            return
        for step in range(version + 1, SCHEMA_VERSION + 1):
            self.upgrades[step](connection, self.records.name)
            self._set_version(connection, step)

    def _create(self, connection: sa.Connection, version: int | None) -> None:
        name = self.records.name
        if sa.inspect(connection).has_table(name):
            self._refuse_stranger(connection)
        self.metadata.create_all(connection, tables=[self.records])
        for index in self.records.indexes:
            # MySQL has no transaction around DDL: a worker may have died before this one.
            index.create(connection, checkfirst=True)
        add_rollups(connection, name)
        view = view_name(name)
        if view not in sa.inspect(connection).get_view_names():
            connection.exec_driver_sql(f"CREATE VIEW {self.quoted(view)} AS {self.view_query()}")
        if version is None:
            values = {"table_name": name, "version": SCHEMA_VERSION}
            connection.execute(self._schema.insert().values(values))
        else:
            self._set_version(connection, SCHEMA_VERSION)

    def _refuse_stranger(self, connection: sa.Connection) -> None:
        name = self.records.name
        there = {column["name"] for column in sa.inspect(connection).get_columns(name)}
        missing = [column.name for column in self.records.columns if column.name not in there]
        if not missing:
            return
        reason = f"a table {name!r} with other columns is there already"
        remedy = f"it lacks {', '.join(missing)}; give this chest another 'table'"
        raise DeliveryError(self.error_message(reason, remedy))

    def _version(self, connection: sa.Connection) -> int | None:
        column = self._schema.columns
        query = sa.select(column.version).where(column.table_name == self.records.name)
        version: int | None = connection.execute(query).scalar()
        return version

    def _set_version(self, connection: sa.Connection, version: int) -> None:
        where = self._schema.columns.table_name == self.records.name
        connection.execute(self._schema.update().where(where).values(version=version))

    def _to_chest_error(self, error: exc.SQLAlchemyError) -> DeliveryError | RejectedError:
        if self.is_rejection(error):
            return RejectedError(self.error_message(error))
        if isinstance(error, exc.ProgrammingError):
            # The table may be gone: the next write checks for it and makes it again.
            self.close()
        return self.to_delivery_error(error)
