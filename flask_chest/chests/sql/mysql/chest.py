"""The MySQL and MariaDB chest, through PyMySQL: one ``INSERT`` for each batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ....errors import ConfigError, RejectedError
from ....record.json_line import loads
from ....record.record import Record
from ...batch_bodies import split_lines, to_lines
from ...drivers import require_driver
from ...url import StoreURL
from ..row_text import COLUMNS
from ..server_chest import ServerChest
from ..server_engine import make_engine
from .errors import (
    DUPLICATE,
    MISSING_TABLE,
    REJECTIONS,
    describe_error,
    error_code,
    remedy_for,
)
from .packet_limit import PacketLimit
from .values_rows import ValuesText

_INSERT = "INSERT INTO {table} ({columns}) VALUES "
# "IGNORE" would turn all errors into warnings, and silently truncate values. This only ignores rows
# that exist: it sets their id to the same id.
_ON_DUPLICATE = b" ON DUPLICATE KEY UPDATE id = id"

# Names and values are matched by position: a JSON path cannot express every name in MariaDB. The
# character set is explicit, since the default of the database may lack characters.
# JSON_KEYS loses an empty name after one that ends in a quote: then the positions are not those of
# the values.
_VALUE = """IF(JSON_LENGTH(JSON_KEYS(r.vars)) = JSON_LENGTH(r.vars),
        JSON_EXTRACT(JSON_EXTRACT(r.vars, '$.*'), CONCAT('$[', k.number - 1, ']')),
        JSON_EXTRACT(r.vars, CONCAT('$.', JSON_QUOTE(k.name))))"""
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, k.name AS name,
    CASE JSON_TYPE({value}) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE({value}) END AS value
FROM {table} AS r
JOIN JSON_TABLE(JSON_KEYS(r.vars), '$[*]' COLUMNS (
    number FOR ORDINALITY, name TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$'
)) AS k
"""

# In any mode of the server, values are not truncated, and backslash is the escape character.
_MODE = "REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')"
_STRICT = f"SET SESSION sql_mode = CONCAT_WS(',', NULLIF({_MODE}, ''), 'STRICT_ALL_TABLES')"


class FlaskChestMySQL(ServerChest):
    """Stores records in a database of MySQL 8 or MariaDB 10.6, or newer.

    :param url: ``"mysql://user:password@host:3306/database"`` or ``"mariadb://..."``. URL
        parameters are ``unix_socket`` and ``ssl_ca``, the file of the CA that signed the server's
        certificate. With ``ssl_ca`` the certificate and the host name are verified.
    :param table: the table of records; created on first use.
    :raises flask_chest.errors.ConfigError: PyMySQL is not installed, or the URL is malformed.

    .. versionadded:: 1.0
    """

    scheme = "mysql"
    clock_query = "SELECT UNIX_TIMESTAMP(NOW(6))"
    quote = "`"

    def __init__(self, url: str, table: str = "chest_records", **arguments: Any) -> None:
        require_driver("pymysql", "mysql")
        self.address = StoreURL.parse(url)
        if self.address.scheme not in {"mysql", "mariadb"}:
            raise ConfigError(f"{self.address.scheme!r} is not 'mysql://' or 'mariadb://'")
        if not self.address.path:
            raise ConfigError("a MySQL URL ends in the database: mysql://user:password@host/db")
        unknown = self.address.query.keys() - {"ssl_ca", "unix_socket"}
        if unknown:
            raise ConfigError(f"unknown URL parameter {min(unknown)!r}; known: ssl_ca, unix_socket")
        self._port = self.address.port or 3306
        super().__init__(table=table, **arguments)
        self._statement = _INSERT.format(
            table=self.quoted(self.records.name), columns=", ".join(map(self.quoted, COLUMNS))
        )
        self._rows = ValuesText()
        self._packets = PacketLimit(self.body_bytes, len(self._statement) + len(_ON_DUPLICATE))

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestMySQL:
        """``mysql://user:password@host:3306/database``, ``mariadb://...``"""
        return cls(url, **arguments)

    def make_engine(self) -> sa.Engine:
        return make_engine(
            "mysql+pymysql://", self._connect, self._execute, json_deserializer=loads
        )

    def make_read_only_engine(self) -> sa.Engine:
        engine = self.make_engine()
        sa.event.listen(engine, "connect", self._configure_reader)
        return engine

    def _configure_reader(self, connection: Any, _: Any) -> None:
        # The server aborts statements that take longer than the client waits.
        is_mariadb = "mariadb" in connection.get_server_info().lower()
        limit = (
            f"max_statement_time = {self.timeout:g}"
            if is_mariadb
            else f"max_execution_time = {max(1, int(self.timeout * 1000))}"
        )
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute(f"SET SESSION {limit}")

    @contextmanager
    def schema_lock(self, connection: sa.Connection) -> Iterator[None]:
        # DDL commits implicitly in MySQL, so the lock belongs to the session.
        name = f"{self.address.path}.flask_chest"[:64]
        query = sa.text("SELECT GET_LOCK(:name, :seconds)")
        seconds = max(1, int(self.timeout) - 1)
        if not connection.execute(query, {"name": name, "seconds": seconds}).scalar():
            raise self.unavailable("another process is still creating the tables")
        try:
            yield
        finally:
            # A lost connection has released the lock.
            if not connection.invalidated:
                connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": name})

    def view_query(self) -> str:
        return _VIEW.format(table=self.quoted(self.records.name), value=_VALUE)

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        for part in split_lines(to_lines(records), self.body_bytes):
            try:
                rows = self._rows.format(part)
            except ValueError as error:
                raise RejectedError(str(error)) from None
            # Escaping made some rows longer, so their size is measured now.
            for some in split_lines(rows, self._packets.limit):
                values = self._rows.join(some)
                self._packets.require_fit(len(values), records)
                connection.exec_driver_sql(self._statement, (values,))

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        """Replace PyMySQL's insertion of parameters, which takes ten times as long.

        :returns: whether this method ran the statement.
        """
        if statement != self._statement:
            return False
        with self._packets.sending():
            cursor.execute(statement.encode() + parameters[0] + _ON_DUPLICATE)
        return True

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        code = error_code(error)
        return code != DUPLICATE and (super().is_rejection(error) or code in REJECTIONS)

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        return error_code(error) == MISSING_TABLE

    def describe_error(self, error: BaseException) -> str:
        return describe_error(error)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def _connect(self) -> Any:
        import pymysql

        query = self.address.query
        connection = pymysql.connect(
            host=self.address.host or "localhost",
            port=self._port,
            user=self.address.username or None,
            password=self.address.password,
            database=self.address.path,
            unix_socket=query.get("unix_socket"),
            ssl_ca=query.get("ssl_ca"),
            ssl_verify_cert=True if "ssl_ca" in query else None,
            ssl_verify_identity=True if "ssl_ca" in query else None,
            charset="utf8mb4",
            connect_timeout=max(1, int(self.timeout)),
            read_timeout=self.timeout,
            write_timeout=self.timeout,
            init_command=_STRICT,
        )
        self._packets.ask(connection)
        return connection
