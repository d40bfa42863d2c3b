"""What the SQL stores share: one schema, its making and upgrading, and the way errors are told."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import ConfigError, DeliveryError, RejectedError
from ..record import Record
from .base import Chest

#: The version of the schema that this release writes.
SCHEMA_VERSION = 1


def records_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """The table of records. Types that differ by database are given as variants."""
    short, word, text = sa.String(32), sa.String(255), sa.Text()
    return sa.Table(
        name,
        metadata,
        sa.Column("id", short, primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
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
        sa.Column("vars", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("bytes_sent", sa.BigInteger),
        sa.Column("disconnected", sa.Boolean),
        sa.Index(f"ix_{name}_time", "time"),
        sa.Index(f"ix_{name}_request_id", "request_id"),
        # Ids are time-ordered, so this index serves "the latest of a route" as well.
        sa.Index(f"ix_{name}_route", "route", "time"),
        # Rows then lie in the order of their ids, which is the order of time: no second copy of id.
        sqlite_with_rowid=False,
    )


def schema_table(metadata: sa.MetaData) -> sa.Table:
    """The table that says which version each table of records has."""
    return sa.Table(
        "chest_schema",
        metadata,
        sa.Column("table_name", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )


def view_name(table: str) -> str:
    """The view that has one row per variable: ``chest_vars`` for ``chest_records``."""
    return "chest_vars" if table == "chest_records" else f"{table}_vars"


class SQLChest(Chest):
    """A chest in an SQL database, reached through SQLAlchemy.

    The engine is made by the first :meth:`write` of a process, so never before a fork.

    :param url: the database, as SQLAlchemy writes it.
    :param table: the table of records; made on first use.
    """

    #: Versions above 1 and what brings a table there from the one before; none so far.
    upgrades: ClassVar[Mapping[int, Callable[[sa.Connection, str], None]]] = {}

    def __init__(self, url: sa.URL, *, table: str = "chest_records", **arguments: Any) -> None:
        super().__init__(**arguments)
        if not table.isidentifier():
            raise ConfigError(f"table {table!r}: use letters, digits and underscores")
        self.url = url
        self.metadata = sa.MetaData()
        self.records = records_table(table, self.metadata)
        self._schema = schema_table(self.metadata)
        self._engine: sa.Engine | None = None
        self._pid = 0

    def describe(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def write(self, records: Sequence[Record]) -> None:
        try:
            with self.engine().begin() as connection:
                self.insert(connection, records)
        except (exc.IntegrityError, exc.DataError) as error:
            raise RejectedError(self._tell(error)) from None
        except exc.SQLAlchemyError as error:
            raise DeliveryError(self._tell(error)) from None

    def check(self) -> None:
        try:
            with self.engine().connect() as connection:
                connection.execute(sa.select(1))
        except exc.SQLAlchemyError as error:
            raise DeliveryError(self._tell(error)) from None

    def close(self) -> None:
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None

    def engine(self) -> sa.Engine:
        """This process' engine, with the table made and brought up to date.

        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        :raises flask_chest.errors.DeliveryError: a table of that name has other columns.
        """
        if self._engine is None or self._pid != os.getpid():
            engine = self.make_engine()
            self._make_schema(engine)
            self._engine, self._pid = engine, os.getpid()
        return self._engine

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """An engine for this database; nothing is connected yet."""

    @abstractmethod
    def lock_schema(self, connection: sa.Connection) -> None:
        """Let one worker at a time make or upgrade the tables, until its transaction ends."""

    @abstractmethod
    def view_query(self) -> str:
        """The ``SELECT`` behind the view of variables, in this database's SQL."""

    @abstractmethod
    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Insert records, passing over ids that are there already."""

    def _make_schema(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            self.lock_schema(connection)
            self.metadata.create_all(connection, tables=[self._schema])
            version = self._version(connection)
            if version is None:
                self._create(connection)
                return
            for step in range(version + 1, SCHEMA_VERSION + 1):
                self.upgrades[step](connection, self.records.name)
                self._set_version(connection, step)

    def _create(self, connection: sa.Connection) -> None:
        name = self.records.name
        if sa.inspect(connection).has_table(name):
            self._refuse_stranger(connection)
        self.metadata.create_all(connection, tables=[self.records])
        quoted = connection.dialect.identifier_preparer.quote(view_name(name))
        if view_name(name) not in sa.inspect(connection).get_view_names():
            connection.exec_driver_sql(f"CREATE VIEW {quoted} AS {self.view_query()}")
        connection.execute(
            self._schema.insert().values(table_name=name, version=SCHEMA_VERSION)
        )

    def _refuse_stranger(self, connection: sa.Connection) -> None:
        name = self.records.name
        there = {column["name"] for column in sa.inspect(connection).get_columns(name)}
        missing = [column.name for column in self.records.columns if column.name not in there]
        if missing:
            raise DeliveryError(
                f"chest {self.name!r} at {self.describe()}: a table {name!r} with other columns is "
                f"there already (it lacks {', '.join(missing)}); name another one: 'table'"
            )

    def _version(self, connection: sa.Connection) -> int | None:
        column = self._schema.columns
        query = sa.select(column.version).where(column.table_name == self.records.name)
        version: int | None = connection.execute(query).scalar()
        return version

    def _set_version(self, connection: sa.Connection, version: int) -> None:
        where = self._schema.columns.table_name == self.records.name
        connection.execute(self._schema.update().where(where).values(version=version))

    def _tell(self, error: exc.SQLAlchemyError) -> str:
        # str(error) would hold the SQL and its parameters: values of the app's users.
        cause = getattr(error, "orig", None) or error
        return f"chest {self.name!r} at {self.describe()}: {type(cause).__name__}: {cause}".strip()
