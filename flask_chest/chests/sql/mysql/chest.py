"""The MySQL and MariaDB chest, through PyMySQL: one ``INSERT`` for each batch."""

from __future__ import annotations

import re
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
from ...error_messages import describe_cause
from ...per_process_client import CHECK_ADDRESS
from ...url import StoreURL
from ..row_text import COLUMNS
from ..server_chest import ServerChest
from ..server_engine import READ_ONLY, make_engine
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

_DAMAGED = "the table is damaged: see the server's log, then use CHECK TABLE and REPAIR TABLE"
# https://mariadb.com/kb/en/mariadb-error-codes/
_REMEDIES = {
    **dict.fromkeys((126, 127, 144, 145, 1034, 1194, 1195), _DAMAGED),
    1044: "grant this user rights on the database",
    1045: "check user and password",
    1047: "this node of a cluster accepts no statements; the next batch connects again",
    1049: "create this database, or name another one",
    1290: READ_ONLY,
    1698: "check user and password",
    1792: READ_ONLY,
    1836: READ_ONLY,
    2003: CHECK_ADDRESS,
    2006: CHECK_ADDRESS,
    2013: CHECK_ADDRESS,
}
# "INSERT command denied to user 'shop'@'10.0.0.7' for table `shop`.`chest_records`"
_DENIED = re.compile("([A-Z ,]+) command denied to user")
_MISSING_TABLE = 1146
# Two nodes of a cluster inserted the same row; the next attempt finds it.
_DUPLICATE = 1062
# Rejections for which PyMySQL has another exception class: row too big, packet too big, key too
# long, invalid JSON, failed check.
_REJECTIONS = {1118, 1153, 1301, 3140, 3141, 3150, 4025}


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

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return f"{self.address.public_location()} {self.records.name}"

    def secrets(self) -> tuple[str, ...]:
        return self.address.secrets()

    def make_engine(self) -> sa.Engine:
        engine = make_engine("mysql+pymysql://", self._connect, json_deserializer=loads)
        # An event handler, so that SQLAlchemy wraps the driver's exceptions.
        sa.event.listen(engine, "do_execute", self._execute)
        return engine

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
        code = _error_code(error)
        return code != _DUPLICATE and (super().is_rejection(error) or code in _REJECTIONS)

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        return _error_code(error) == _MISSING_TABLE

    def describe_error(self, error: BaseException) -> str:
        # The server's text quotes values: "Incorrect integer value: '...' for column".
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if not code:
            return describe_cause(error)
        return f"{describe_cause(error)} ({code}{_code_name(code)})"

    def remedy(self, error: BaseException) -> str:
        denied = _DENIED.match(_error_text(error))
        if denied:
            return f"grant this user {denied[1]} on the tables"
        return _REMEDIES.get(_error_code(error), "")

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


def _code_name(code: int) -> str:
    """Return PyMySQL's name of an error code, after a space; empty if it has none."""
    from pymysql.constants import CR, ER

    names = (name for each in (ER, CR) for name, value in vars(each).items() if value == code)
    return next((f" {name}" for name in names if name.isupper()), "")


def _error_text(error: BaseException) -> str:
    arguments = list(getattr(getattr(error, "orig", None), "args", ()))
    return str(arguments[1]) if len(arguments) > 1 else ""


def _error_code(error: BaseException) -> int:
    arguments = getattr(getattr(error, "orig", None), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0
