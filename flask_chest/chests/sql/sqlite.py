"""SQLite: the embedded default."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import ConfigError, DeliveryError
from ...record.encoding import SHARED, Batch, dumps, loads
from ...record.record import Record
from ..batches import json_bodies, replace_nul, to_lines
from .chest import SQLChest

# Text that SQLite's own date functions make and compare, and that sorts by time.
_SECONDS = "%Y-%m-%d %H:%M:%S"
# Not "OR IGNORE", which would pass over a NULL where none may be, and lose the record silently.
_INSERT = 'INSERT INTO "{table}" ({columns}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING'
# Most lines of a batch end alike. What they begin with goes to SQLite as one array, which it reads
# with the GIL let go of; of rows, each would be bound with it. The LIMIT keeps SQLite from writing
# an object out again for each value that is taken from it.
_INSERT_ALIKE = """
INSERT INTO "{table}" ({columns}) SELECT {values}
FROM (SELECT value AS line FROM json_each(?) LIMIT -1) WHERE true ON CONFLICT (id) DO NOTHING
"""
_TAKEN = "json_extract(line, '$.{name}')"
_TIME = "datetime({taken} / 1000000, 'unixepoch') || '.' || substr({taken} % 1000000 + 1000000, 2)"
# Of fewer that end alike, a statement of their own takes longer than rows do.
_MANY = 8
# SQLite has no booleans: as in the other databases, they read 'true' and 'false'.
_VIEW = """
SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id, v.key AS name,
    CASE WHEN v.type IN ('true', 'false') THEN v.type ELSE v.value END AS value
FROM {table} AS r, json_each(r.vars) AS v
"""
_UNWRITABLE = "let this process write there, or name another file"
# By SQLite's own words: all that its driver tells apart.
_REMEDIES = {
    "unable to open": _UNWRITABLE,
    "readonly": _UNWRITABLE,
    "locked": "another process is writing to it; on a network file system SQLite cannot tell when",
    "is full": "make room on its disk",
    "not a database": "name another file",
}


class FlaskChestSQLite(SQLChest):
    """One SQLite file, written by many processes at once.

    It is kept in WAL mode, so that readers never wait for writers, with ``synchronous=FULL``:
    a batch that was reported as delivered survives a loss of power.

    :param path: the file; a relative path starts at the app's instance folder.
    :param table: the table of records; made on first use.

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
            # An app, say, which older versions took first.
            kind = type(path).__name__
            told = f"path: expected a file's name, not a value of type {kind!r}"
            raise ConfigError(f"{told}; the app is 'app='") from None
        super().__init__(table=table, **arguments)

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
        """Where the database lies."""
        if self.app_info is None:
            return self.path.absolute()
        return self.app_info.instance_path / self.path

    def check(self) -> None:
        # A look at what records are to be kept in makes no file, nor its folder.
        file = self.file()
        try:
            there = next(path for path in (file, *file.parents) if path.exists())
        except OSError as error:  # a folder that this process may not look into, say
            raise DeliveryError(self.error_message(error, _UNWRITABLE)) from None
        if there == file:
            super().check()
        elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise DeliveryError(self.error_message(f"nothing can be made in {there}", _UNWRITABLE))

    def make_engine(self) -> sa.Engine:
        file = self.file()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryError(self.error_message(error, _UNWRITABLE)) from None
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(file)),
            # One connection, used by one thread at a time: delivery, later perhaps close().
            poolclass=sa.pool.StaticPool,
            connect_args={
                "timeout": self.timeout,
                "isolation_level": None,
                "check_same_thread": False,
            },
        )
        sa.event.listen(engine, "connect", _set_pragmas)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine

    def make_read_only_engine(self) -> sa.Engine:
        # Opened read-only, so that looking at a database that is not there does not make one.
        address = f"file:{quote(str(self.file()))}?mode=ro"
        return sa.create_engine(
            "sqlite://",
            creator=lambda: _connect_read_only(address),
            json_deserializer=loads,
            poolclass=sa.pool.NullPool,
        )

    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """BEGIN IMMEDIATE, sent for every transaction, is the lock already."""
        return nullcontext()

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        words = str(getattr(error, "orig", ""))
        return "no such table" in words or ("unable to open" in words and not self.file().exists())

    def remedy(self, error: BaseException) -> str:
        words = str(getattr(error, "orig", ""))
        return next((remedy for said, remedy in _REMEDIES.items() if said in words), "")

    def view_query(self) -> str:
        return _VIEW.format(table=self.quoted(self.records.name))

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        # A later version of this package may have added columns.
        columns = [column.name for column in self.records.columns]
        others: list[bytes] = []
        for ending, beginnings in _by_ending(to_lines(records)).items():
            shared = _decoded_ending(ending) if len(beginnings) >= _MANY else None
            if shared is None:
                others += [beginning + ending for beginning in beginnings]
            else:
                self._insert_alike(connection, columns, shared, beginnings)
        if others:
            self._insert_rows(connection, columns, others)

    def _insert_alike(
        self,
        connection: sa.Connection,
        columns: Sequence[str],
        shared: Mapping[str, Any],
        beginnings: Sequence[bytes],
    ) -> None:
        bound = [name for name in columns if name in shared]
        taken = [name for name in columns if name not in shared]
        statement = _INSERT_ALIKE.format(
            table=self.records.name,
            columns=", ".join(taken + bound),
            values=", ".join([*map(_taken, taken), *"?" * len(bound)]),
        )
        values = [_bindable(shared[name]) for name in bound]
        for body in json_bodies(Batch([each + b"}" for each in beginnings]), self.body_bytes):
            connection.exec_driver_sql(statement, (*values, body.decode()))

    def _insert_rows(
        self, connection: sa.Connection, columns: Sequence[str], lines: Sequence[bytes]
    ) -> None:
        statement = _INSERT.format(
            table=self.records.name,
            columns=", ".join(columns),
            marks=",".join("?" * len(columns)),
        )
        connection.exec_driver_sql(statement, _rows(lines, columns))


def _by_ending(lines: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The beginnings of lines, by what they end with."""
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        at = line.rfind(SHARED)
        found.setdefault(line[at:], []).append(line[:at])
    return found


def _decoded_ending(ending: bytes) -> Mapping[str, Any] | None:
    """What lines share; ``None`` where that is not the end of a line, but of a value in it."""
    try:
        shared: dict[str, Any] = loads(replace_nul(b"{" + ending[1:]))
    except ValueError:
        return None
    return shared


def _taken(name: str) -> str:
    taken = _TAKEN.format(name=name)
    return _TIME.format(taken=taken) if name == "time" else taken


def _bindable(value: Any) -> Any:
    return dumps(value).decode() if isinstance(value, dict) else value


def _rows(lines: Sequence[bytes], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    pick = itemgetter(*columns)
    time_at, vars_at, tags_at = (columns.index(name) for name in ("time", "vars", "tags"))
    rows = []
    second, text = -1, ""
    tags: dict[str, Any] = {}
    tags_text = "{}"
    for line in lines:
        row = [*pick(loads(replace_nul(line)))]
        seconds, microseconds = divmod(row[time_at], 1_000_000)
        if seconds != second:
            second, text = seconds, time.strftime(_SECONDS, time.gmtime(seconds))
        if row[tags_at] != tags:
            tags = row[tags_at]
            tags_text = dumps(tags).decode()
        row[time_at] = f"{text}.{microseconds:06}"
        row[vars_at] = dumps(row[vars_at]).decode()
        row[tags_at] = tags_text
        rows.append(tuple(row))
    return rows


def _set_pragmas(connection: Any, _: Any) -> None:
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _switch_to_wal(connection: Any) -> None:
    import sqlite3

    # SQLite does not ask its busy handler while a database is switched to WAL, so two workers that
    # open a new file at once would see "database is locked": https://sqlite.org/wal.html#noshm
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            time.sleep(0.02)
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_immediate(connection: sa.Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another one wrote in
    # between; an immediate one waits: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connect_read_only(address: str) -> Any:
    import sqlite3

    connection = sqlite3.connect(address, uri=True)
    # Pages come from the system's cache without being copied.
    connection.execute("PRAGMA mmap_size = 4294967296")
    try:
        connection.execute("SELECT ln(1)")
    except sqlite3.OperationalError:
        # Built without the functions of https://sqlite.org/lang_mathfunc.html
        connection.create_function("ln", 1, _ln, deterministic=True)
    return connection


def _ln(value: float | None) -> float | None:
    return math.log(value) if value is not None and value > 0 else None
