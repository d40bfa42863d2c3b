"""The base class of the SQL chests that write through SQLAlchemy: those of servers."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import exc

from ..._throttle import LogThrottle
from ...errors import DeliveryError, RejectedError
from ...record.record import Record
from ..batch_bodies import hours_before, oldest_time
from ..closed_hours import closed_until, is_late
from ..url import StoreURL
from .archive.late_hours import LateHours
from .rollups.late_records import LateRecords
from .sql_chest import SQLChest
from .table_creation_and_upgrade import Schema


class ServerChest(SQLChest):
    """Stores records in an SQL database, through SQLAlchemy.

    The first :meth:`write` in a process makes the engine, so no connection is shared with a forked
    process.

    :param table: the table of records; created on first use.
    """

    #: Maximum size of one statement in bytes. Servers refuse greater ones (MariaDB: 16 MiB by
    #: default).
    body_bytes: ClassVar[int] = 4 * 1024 * 1024

    #: The ``SELECT`` of the server's clock in seconds since 1970.
    clock_query: ClassVar[str] = ""

    #: The URL of the database.
    address: StoreURL

    def __init__(self, *, table: str = "chest_records", **arguments: Any) -> None:
        super().__init__(table=table, **arguments)
        self._schema = Schema(self)
        self._late_records = LateRecords(self.maintenance, table)
        self._late_hours = LateHours(self.maintenance, table)
        self._log = LogThrottle(self.logger)

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return f"{self.address.public_location()} {self.records.name}"

    def secrets(self) -> tuple[str, ...]:
        return self.address.secrets()

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        with self.converted_errors():
            # If the tables cannot be created, the records are not the cause.
            self.engine()
            try:
                self._write(records)
            except RejectedError as error:
                reason = self.error_message(str(error))
                raise RejectedError(reason, record_ids=error.record_ids) from None
            except exc.SQLAlchemyError as error:
                raise self._to_chest_error(error) from None
        self._report_late_records(records)

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

    def _report_late_records(self, records: Sequence[Record]) -> None:
        oldest = oldest_time(records)
        if not is_late(oldest):
            return
        # The records are stored already, so an error must not make delivery send them again.
        try:
            self._late_records.report(self.engine(), int(oldest))
            self._late_hours.report(self.engine(), hours_before(records, closed_until()))
        except exc.SQLAlchemyError as error:
            remedy = "rollups lack records that were delivered days late"
            self._log.warning("late", "%s", self.error_message(error, remedy))

    def check(self) -> None:
        with self.converted_errors(), self.engine().connect() as connection:
            connection.execute(sa.select(1))

    def check_rights(self) -> None:
        probe = Record(id="0" * 32, time=datetime.now(timezone.utc))
        with self.converted_errors(), self.engine().connect() as connection:
            self.insert(connection, [probe])
            connection.rollback()

    def clock(self) -> float | None:
        with self.converted_errors(), self.engine().connect() as connection:
            return float(connection.exec_driver_sql(self.clock_query).scalar_one())

    def _open_engine(self) -> sa.Engine:
        engine = self.make_engine()
        try:
            self._schema.create_or_upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    @abstractmethod
    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Insert records; skip records whose id is stored already."""

    def is_rejection(self, error: exc.SQLAlchemyError) -> bool:
        """Whether the database would refuse the same records again."""
        return isinstance(error, (exc.IntegrityError, exc.DataError))

    def _to_chest_error(self, error: exc.SQLAlchemyError) -> DeliveryError | RejectedError:
        if self.is_rejection(error):
            return RejectedError(self.error_message(error))
        return self.to_delivery_error(error)

    def to_delivery_error(self, error: BaseException) -> DeliveryError:
        # A server may have been demoted, and its tables may have been dropped or renamed. The next
        # batch connects to the server that the address leads to by then, and creates missing
        # tables.
        self.close()
        return super().to_delivery_error(error)
