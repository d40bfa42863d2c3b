"""PostgreSQL, through psycopg 3: a batch goes by ``COPY``, and one that was sent before as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql

from ...errors import ConfigError
from ...record.encoding import loads
from ...record.record import Record
from ..batches import json_bodies, to_lines
from ..client import CHECK_ADDRESS, require_driver
from ..url import StoreURL
from .chest import SQLChest
from .formats.copy import CopyText
from .formats.rows import COLUMNS

# Any number will do that other users of advisory locks are unlikely to pick: "chest" in ASCII.
_SCHEMA_LOCK = 0x6368657374

# The fastest that the server takes: half the work of an INSERT of the same rows.
_COPY = "COPY {table} ({columns}) FROM STDIN (ENCODING 'UTF8')"
# A whole batch as one parameter, parsed by the server. Documents are read as JSON and cast, which
# takes the server half the time of reading them as JSONB.
_INSERT = """
INSERT INTO {table} ({columns})
SELECT {values} FROM json_to_recordset(%b) AS r ({fields}) ON CONFLICT (id) DO NOTHING
"""
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, v.key AS name,
    v.value AS value
FROM {table} AS r, jsonb_each_text(r.vars) AS v
"""
# Exact: an interval holds microseconds as an integer.
_TIME = "timestamptz 'epoch' + r.time * interval '1 microsecond'"

_JSON, _JSONB = "JSON", "JSONB"
_UNDEFINED_TABLE = "42P01"
# COPY knows no row-level security, and no views.
_NO_COPY = {"0A000", "42809"}

_REMEDIES = {
    "28": "check user and password",
    "3D": "create this database, or name another one",
    "42501": "grant this user CREATE on the schema, or make the tables by hand",
    "53": "the server is short of connections, memory or disk space",
}


class FlaskChestPostgreSQL(SQLChest):
    """A table in a PostgreSQL database (12 or newer).

    :param url: ``"postgresql://user:password@host:5432/database"``; all parameters of `libpq
        <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>`_ may
        follow after a ``?``, e.g. ``sslmode=verify-full&sslrootcert=/etc/ssl/our-ca.pem``.
    :param table: the table of records; made on first use.
    :raises flask_chest.errors.ConfigError: psycopg is not installed, or the URL is malformed.

    .. versionadded:: 1.0
    """

    scheme = "postgresql"

    def __init__(self, url: str, table: str = "chest_records", **arguments: Any) -> None:
        require_driver("psycopg", "postgresql")
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

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return f"{self.address.public_location()} {self.records.name}"

    def secrets(self) -> tuple[str, ...]:
        query = self.address.query
        return (self.address.password, query.get("password", ""), query.get("sslpassword", ""))

    def make_engine(self) -> sa.Engine:
        from .psycopg_connection import connect

        # libpq takes whole seconds, and reads less than two as two.
        parameters = {"connect_timeout": max(2, ceil(self.timeout))}
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: connect(self.url, self.timeout, parameters),
            pool_size=1,
        )
        # So that its errors are told like those of other statements.
        sa.event.listen(engine, "do_execute", self._send)
        return engine

    def make_read_only_engine(self) -> sa.Engine:
        engine = self.make_engine()
        sa.event.listen(engine, "connect", self._only_read)
        return engine

    def _only_read(self, connection: Any, _: Any) -> None:
        from psycopg.types.json import set_json_loads

        # A year of sums is read in one go; of psycopg the standard library would parse it.
        set_json_loads(loads, connection)
        # The server ends a statement that nobody waits for any more.
        milliseconds = max(1, int(self.timeout * 1000))
        connection.execute(f"SET statement_timeout = {milliseconds}")
        # Questions look at few records: to compile them, or to start workers, takes longer than
        # they do, and takes it from those who write.
        connection.execute("SET jit = off; SET max_parallel_workers_per_gather = 0")
        connection.commit()
        connection.read_only = True

    @contextmanager
    def schema_lock(self, connection: sa.Connection) -> Iterator[None]:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
        yield

    def view_query(self) -> str:
        return _VIEW.format(table=self.quoted(self.records.name))

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        from psycopg.types.json import Json

        for body in json_bodies(records, self.body_bytes):
            connection.exec_driver_sql(self._statement, (Json(body, dumps=_as_it_is),))

    def _write_once(self, records: Sequence[Record]) -> None:
        parts = self._rows.parts(to_lines(records))
        try:
            with self.engine().begin() as connection:
                connection.exec_driver_sql(self._copy, (parts,))
        except (ValueError, exc.DBAPIError) as error:
            if isinstance(error, exc.DBAPIError) and not _is_other_way(error):
                raise
            super()._write_once(records)

    def _send(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        """Takes the place of ``cursor.execute``, which knows no ``COPY``.

        :returns: whether the statement was run.
        """
        if statement != self._copy:
            return False
        cursor.connection.copy_from(cursor, statement, parameters[0])
        return True

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        # 54: beyond a limit of the server, such as the size of an indexed value.
        return super().is_rejection(error) or _sqlstate(error).startswith("54")

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        return _sqlstate(error) == _UNDEFINED_TABLE

    def remedy(self, error: BaseException) -> str:
        state = _sqlstate(error)
        if not state:
            # A connection that could not be made has no state, only libpq's words.
            return _remedy_for_words(str(error))
        return _REMEDIES.get(state) or _REMEDIES.get(state[:2], "")

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


def _value(name: str, kind: str) -> str:
    if name == "time":
        return _TIME
    return f"r.{name}::{_JSONB}" if kind == _JSONB else f"r.{name}"


def _is_other_way(error: exc.DBAPIError) -> bool:
    """Whether an ``INSERT`` may do what ``COPY`` could not.

    It cannot pass over what is there, which only a batch has that was sent before.
    """
    refused = isinstance(error, (exc.IntegrityError, exc.DataError))
    return refused or _sqlstate(error) in _NO_COPY


def _as_it_is(body: bytes) -> bytes:
    return body


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _remedy_for_words(words: str) -> str:
    if "password" in words or "authentication" in words or "role" in words:
        return _REMEDIES["28"]
    if "database" in words and "does not exist" in words:
        return _REMEDIES["3D"]
    if "certificate" in words or "SSL" in words:
        return "check the server's certificate, and 'sslrootcert'"
    return CHECK_ADDRESS
