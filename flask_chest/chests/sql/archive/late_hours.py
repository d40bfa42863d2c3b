"""Notes hours that get records after they may have been archived."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import exc

from ....query.time_intervals import HOUR
from ..table_names import late_hour_key, late_hour_prefix, state_key


class LateHours:
    """The rows of the maintenance table for hours with late records, one for each hour.

    A row's ``rolled_until`` is the hour, its ``held_until`` the number of reports.

    :param table: the maintenance table.
    :param records: the name of the table of records.
    """

    def __init__(self, table: sa.Table, records: str) -> None:
        self._table = table
        self._records = records

    def pending(self, engine: sa.Engine) -> dict[int, int]:
        """The hours, and the number of reports of each."""
        columns = self._table.columns
        query = sa.select(columns.rolled_until, columns.held_until)
        prefix = late_hour_prefix(self._records)
        is_own_row = columns.table_name.startswith(prefix, autoescape=True)
        with engine.connect() as connection:
            return {row[0] * HOUR: row[1] for row in connection.execute(query.where(is_own_row))}

    def clear(self, engine: sa.Engine, hour: int, reports: int) -> None:
        """Delete the report of an hour, unless there were more since :meth:`pending`."""
        is_unchanged = self._table.columns.held_until == reports
        with engine.begin() as connection:
            connection.execute(sa.delete(self._table).where(self._is_hour(hour), is_unchanged))

    def report(self, engine: sa.Engine, hours: Iterable[int]) -> None:
        """Report hours that got late records, if the store has an archive."""
        store = state_key(self._records, "store")
        has_archive = sa.select(self._table.columns.table_name)
        has_archive = has_archive.where(self._table.columns.table_name == store)
        with engine.connect() as connection:
            if connection.execute(has_archive).first() is None:
                return
        for hour in hours:
            self._report(engine, hour)

    def _report(self, engine: sa.Engine, hour: int) -> None:
        columns = self._table.columns
        update = sa.update(self._table).where(self._is_hour(hour))
        update = update.values(held_until=columns.held_until + 1)
        with engine.begin() as connection:
            connection.execute(update)
            exists = sa.select(columns.table_name).where(self._is_hour(hour))
            if connection.execute(exists).first() is not None:
                return
        key = late_hour_key(self._records, hour)
        row = {"table_name": key, "holder": "", "held_until": 0, "rolled_until": hour // HOUR}
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(self._table).values(row))
        except exc.IntegrityError:  # another process inserted the row first
            with engine.begin() as connection:
                connection.execute(update)

    def _is_hour(self, hour: int) -> sa.ColumnElement[bool]:
        is_hour: sa.ColumnElement[bool] = self._table.columns.table_name == late_hour_key(
            self._records, hour
        )
        return is_hour
