"""Writes records to a SQLite file, without SQLAlchemy, and notices when the file is replaced."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ...._throttle import LogThrottle
from ....errors import ChestError, DeliveryError
from ....query.time_intervals import HOUR
from ....record.record import Record
from ...batch_bodies import hours_before, oldest_time
from ...closed_hours import closed_until, is_late
from ...per_process_client import PerProcessClient
from .. import table_names
from . import schema as sqlite_schema
from .connection import Database
from .database_file import check_path, has_name, identify, wal_readers
from .insert_rows import insert

_REPORT_LATE = """
INSERT INTO chest_upkeep (table_name, holder, held_until, rolled_until) VALUES (?, '', 0, ?)
ON CONFLICT (table_name) DO UPDATE SET
    held_until = held_until + 1, rolled_until = min(rolled_until, excluded.rolled_until)
"""
# The row of a store that has an archive.
_FIND_KEY = "SELECT 1 FROM chest_upkeep WHERE table_name = ?"


class _Chest(Protocol):
    table: str
    logger: logging.Logger

    @property
    def timeout(self) -> float: ...

    def file(self) -> Path: ...

    def upgrade(self) -> None:
        """Upgrade tables of an older version."""

    def error_message(self, reason: object, remedy: str = "") -> str: ...


class SQLiteWriter:
    """Writes to the file of one chest, on one connection for each process.

    :param chest: the chest.
    """

    def __init__(self, chest: _Chest) -> None:
        self._chest = chest
        self._database = PerProcessClient(self._open, drop=Database.drop)
        # The device of the file's folder; None until the file was opened.
        self._device: int | None = None
        self._log = LogThrottle(chest.logger)

    def open(self) -> None:
        """Create or upgrade the tables, unless this process has done so."""
        self._current_database()

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._database.close()

    def write(self, records: Sequence[Record]) -> None:
        """Store records.

        :raises flask_chest.errors.ChestError: the file or a record cannot be used.
        :raises sqlite3.Error: SQLite does not accept the records.
        :raises OSError: the file cannot be created.
        """
        try:
            self._write(records)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise
            # E.g. an I/O error: the connection may be of no more use.
            self.close()
            if "no such table" not in str(error):
                raise
            # The table was dropped or renamed. Opening the file creates it.
            self._write(records)
        # The records are stored, so an error must not make delivery send them again.
        self._report_late_records(records)
        with suppress(sqlite3.Error, OSError, ChestError):
            self._watch_wal()

    def try_to_write(self, record: Record) -> None:
        """Insert a record and roll back; raises like :meth:`write`."""
        connection = self._current_database().connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            insert(connection, self._chest.table, [record])
        finally:
            connection.execute("ROLLBACK")

    def _write(self, records: Sequence[Record]) -> None:
        database = self._current_database()
        with database.transaction() as connection:
            insert(connection, self._chest.table, records)
        if not (database.is_moved() or database.is_split()):
            return
        is_lost = database.is_lost()
        self._part_from(database)
        if is_lost:
            raise sqlite3.OperationalError("the file was deleted while records were written to it")

    def _report_late_records(self, records: Sequence[Record]) -> None:
        oldest = oldest_time(records)
        if not is_late(oldest):
            return
        table = self._chest.table
        try:
            with self._current_database().transaction() as connection:
                connection.execute(_REPORT_LATE, (table_names.late_key(table), int(oldest)))
                if connection.execute(
                    _FIND_KEY, (table_names.state_key(table, "store"),)
                ).fetchone():
                    hours = hours_before(records, closed_until())
                    rows = [
                        (table_names.late_hour_key(table, hour), hour // HOUR) for hour in hours
                    ]
                    connection.executemany(_REPORT_LATE, rows)
        except (sqlite3.Error, OSError, ChestError) as error:
            remedy = "rollups lack records that were delivered days late"
            self._log.warning("late", "%s", self._chest.error_message(error, remedy))

    def _watch_wal(self) -> None:
        size = self._current_database().unshrinkable_wal()
        if not size:
            return
        readers = wal_readers(self._chest.file())
        reason = f"its write-ahead log has grown to {size >> 20} MiB, because {readers} is reading"
        remedy = "it shrinks when the reader ends its transaction"
        self._log.warning("wal", "%s", self._chest.error_message(reason, remedy))

    def _current_database(self) -> Database:
        database = self._database.get()
        if database.is_moved() or database.is_split():
            self._part_from(database)
            database = self._database.get()
        return database

    def _part_from(self, database: Database) -> None:
        """Close the connection to a file that was deleted, moved or replaced, and log that."""
        if not database.is_moved():
            reason = "its -wal or -shm was deleted while the app was running"
            remedy = "never delete them: other processes may miss the last records, or lose them"
            self._log.warning("split", "%s", self._chest.error_message(reason, remedy))
            self.close()
            return
        state = "was moved" if has_name(database.identity) else "was deleted"
        if identify(self._chest.file()) is not None:
            state += ", and another file has its name,"
        reason = f"the file {state} while the app was running"
        remedy = "records from now on go to the file of this name; earlier ones are where it went"
        self._log.warning("moved", "%s", self._chest.error_message(reason, remedy))
        self.close()

    def _open(self) -> Database:
        file = self._chest.file()
        self._check_path(file)
        database = Database(file, self._chest.timeout)
        try:
            self._device = file.parent.stat().st_dev
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _check_path(self, file: Path) -> None:
        check_path(file)
        if self._device is None or file.exists():
            return
        # The file existed before. Its folder must not be created on top of an unmounted volume.
        try:
            device = file.parent.stat().st_dev
        except FileNotFoundError:
            device = None
        if device != self._device:
            remedy = "restore or mount the folder; delivery then goes on by itself"
            reason = f"the folder {file.parent} is gone"
            raise DeliveryError(self._chest.error_message(reason, remedy))

    def _prepare(self, database: Database) -> None:
        table = self._chest.table
        version = sqlite_schema.find_version(database.connection, table)
        if version is None:
            with database.transaction() as connection:
                sqlite_schema.create(connection, table)
        elif version < table_names.SCHEMA_VERSION:
            self._chest.upgrade()
