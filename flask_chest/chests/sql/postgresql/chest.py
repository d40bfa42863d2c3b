"""The PostgreSQL chest, through psycopg 3: ``COPY`` for new batches, JSON for repeated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql

from ....errors import ConfigError
from ....record.batch import Batch
from ....record.record import Record
from ...batch_bodies import json_bodies, to_lines
from ...drivers import require_driver
from ...url import StoreURL
from ..database_encoding import storable_lines
from ..jsonb_numbers import exact_lines, loads
from ..row_text import COLUMNS
from ..server_chest import ServerChest
from ..server_engine import make_engine
from .copy_rows import CopyText
from .errors import (
    UNDEFINED_TABLE,
    UNTRANSLATABLE,
    describe_error,
    may_insert,
    remedy_for,
    sqlstate,
)

# A key that other users of advisory locks are unlikely to use: "chest" in ASCII.
_SCHEMA_LOCK = 0x6368657374

# COPY takes the server half the time of an INSERT.
_COPY = "COPY {table} ({columns}) FROM STDIN (ENCODING 'UTF8')"
# The whole batch is one parameter, which the server parses. Parsing documents as JSON and casting
# them takes the server half the time of parsing them as JSONB.
_INSERT = """
INSERT INTO {table} ({columns})
SELECT {values} FROM json_to_recordset(%b) AS r ({fields}) ON CONFLICT (id) DO NOTHING
"""
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, v.key AS name,
    v.value AS value
FROM {table} AS r, jsonb_each_text(r.vars) AS v
"""
# Exact, since an interval stores microseconds as an integer.
_TIME = "timestamptz 'epoch' + r.time * interval '1 microsecond'"

# For one transaction only: behind a pooler such as PgBouncer, other applications use the same
# session afterwards. The server aborts statements that take longer than the client waits. JIT
# compilation and parallel workers would take longer than a query of few records, and slow down
# writers. psycopg reads times in ISO format only, and a role may have another one.
_SETTINGS = """
SET LOCAL statement_timeout = {milliseconds}; SET LOCAL jit = off;
SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL DateStyle = ISO;
SET LOCAL extra_float_digits = 1
"""

_JSON, _JSONB = "JSON", "JSONB"


class FlaskChestPostgreSQL(ServerChest):
    """Stores records in a PostgreSQL database (12 or newer).

    :param url: ``"postgresql://user:password@host:5432/database"``; URL parameters are those of
        `libpq
        <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>`_, e.g.
        ``sslmode=verify-full&sslrootcert=/etc/ssl/our-ca.pem``.
    :param table: the table of records; created on first use.
    :raises flask_chest.errors.ConfigError: psycopg or SQLAlchemy 2 is not installed, or the URL is
        malformed.

    .. versionadded:: 1.0
    """

    scheme = "postgresql"
    clock_query = "SELECT extract(epoch FROM clock_timestamp())"

    def __init__(self, url: str, table: str = "chest_records", **arguments: Any) -> None:
        require_driver("psycopg", "postgresql")
        _require_sqlalchemy_2()
        self.url = url
        self.address = StoreURL.parse(url)
        if self.address.scheme not in {"postgresql", "postgres"}:
            raise ConfigError(f"{self.address.scheme!r} is not 'postgresql://'")
        super().__init__(table=table, **arguments)
        self._statement = self._insert_statement()
        self._copy = _COPY.format(table=self.quoted(self.records.name), columns=", ".join(COLUMNS))
        self._rows = CopyText()

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestPostgreSQL:
        """``postgresql://user:password@host:5432/database``"""
        return cls(url, **arguments)

    def make_engine(self) -> sa.Engine:
        from .connection import connect

        # libpq takes whole seconds, and at least two.
        parameters = {"connect_timeout": max(2, ceil(self.timeout))}
        return make_engine(
            "postgresql+psycopg://",
            lambda: connect(self.url, self.timeout, parameters),
            self._execute,
        )

    def make_read_only_engine(self) -> sa.Engine:
        engine = self.make_engine()
        sa.event.listen(engine, "connect", self._configure_reader)
        sa.event.listen(engine, "begin", self._configure_transaction)
        return engine

    def _configure_reader(self, connection: Any, _: Any) -> None:
        from psycopg.types.json import set_json_loads

        # A query of a year reads many rollups; by default psycopg parses JSON with the slower
        # standard library.
        set_json_loads(loads, connection)
        connection.read_only = True

    def _configure_transaction(self, connection: sa.Connection) -> None:
        milliseconds = max(1, int(self.timeout * 1000))
        connection.exec_driver_sql(_SETTINGS.format(milliseconds=milliseconds))

    @contextmanager
    def schema_lock(self, connection: sa.Connection) -> Iterator[None]:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
        yield

    def view_query(self) -> str:
        return _VIEW.format(table=self.quoted(self.records.name))

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        from psycopg.types.json import Json

        lines, codec = exact_lines(to_lines(records)), self._codec_of(connection)
        batch = Batch(storable_lines(lines, codec) if codec else list(lines))
        for body in json_bodies(batch, self.body_bytes):
            connection.exec_driver_sql(self._statement, (Json(body, dumps=_identity),))

    def _write_once(self, records: Sequence[Record]) -> None:
        lines = exact_lines(to_lines(records))
        try:
            with self.engine().begin() as connection:
                codec = self._codec_of(connection)
                parts = self._rows.parts(storable_lines(lines, codec) if codec else lines)
                connection.exec_driver_sql(self._copy, (parts,))
        except (ValueError, exc.DBAPIError) as error:
            if isinstance(error, exc.DBAPIError) and not may_insert(error):
                raise
            self._insert_again(records)

    def _insert_again(self, records: Sequence[Record]) -> None:
        try:
            super()._write_once(records)
        except exc.DataError as error:
            if sqlstate(error) != UNTRANSLATABLE:
                raise
            # Python's codecs of some East Asian encodings have characters that the server lacks.
            super()._write_once(Batch(storable_lines(to_lines(records), "ascii")))

    def _codec_of(self, connection: sa.Connection) -> str | None:
        """Python's codec for the encoding of the database; ``None`` if it has all characters."""
        driver: Any = connection.connection.dbapi_connection
        codec: str | None = driver.codec
        return codec

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        """Replace ``cursor.execute``, which does not support ``COPY FROM STDIN``.

        :returns: whether this method ran the statement.
        """
        if statement != self._copy:
            return False
        cursor.connection.copy_from(cursor, statement, parameters[0])
        return True

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        # Class 54: a limit of the server was exceeded, e.g. the size of an indexed value.
        return super().is_rejection(error) or sqlstate(error).startswith("54")

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        return sqlstate(error) == UNDEFINED_TABLE

    def describe_error(self, error: BaseException) -> str:
        return describe_error(error)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def _insert_statement(self) -> str:
        columns = list(self.records.columns)
        dialect: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        types = {column.name: column.type.compile(dialect) for column in columns}
        types["time"] = "bigint"
        return _INSERT.format(
            table=self.quoted(self.records.name),
            columns=", ".join(column.name for column in columns),
            values=", ".join(_value(name, kind) for name, kind in types.items()),
            fields=", ".join(
                f"{name} {_JSON if kind == _JSONB else kind}" for name, kind in types.items()
            ),
        )


def _require_sqlalchemy_2() -> None:
    # SQLAlchemy 1.4 has no dialect for psycopg 3. The other SQL chests work with both.
    if sa.__version__.startswith("1."):
        raise ConfigError(
            f"PostgreSQL needs SQLAlchemy 2, and {sa.__version__} is installed: "
            'pip install "flask-chest[postgresql]"'
        )


def _value(name: str, kind: str) -> str:
    if name == "time":
        return _TIME
    return f"r.{name}::{_JSONB}" if kind == _JSONB else f"r.{name}"


def _identity(body: bytes) -> bytes:
    return body
