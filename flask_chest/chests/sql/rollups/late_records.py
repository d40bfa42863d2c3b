"""Notes records that arrive after their hour was rolled up, so that the hour is rolled up again."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from ..table_names import late_key


class LateMark(NamedTuple):
    """Late records that were reported.

    :param since: time of the oldest one: seconds since 1970.
    :param reports: number of reports so far.
    """

    since: int
    reports: int


class LateRecords:
    """The row of the maintenance table for records that arrive too late for the rollup job.

    Its ``rolled_until`` is the time of the oldest record, its ``held_until`` the number of reports.

    :param table: the maintenance table.
    :param records: the name of the table of records.
    """

    def __init__(self, table: sa.Table, records: str) -> None:
        self._table = table
        self._key = late_key(records)
        self._is_own_row = table.columns.table_name == self._key

    def pending(self, engine: sa.Engine) -> LateMark | None:
        """The late records that the rollup job has to roll up; ``None`` if there are none."""
        columns = self._table.columns
        query = sa.select(columns.rolled_until, columns.held_until).where(self._is_own_row)
        with engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else LateMark(*row)

    def clear(self, engine: sa.Engine, mark: LateMark) -> None:
        """Delete the report, unless there were more reports since :meth:`pending` returned it."""
        is_unchanged = self._table.columns.held_until == mark.reports
        delete = sa.delete(self._table).where(self._is_own_row, is_unchanged)
        with engine.begin() as connection:
            connection.execute(delete)

    def report(self, engine: sa.Engine, oldest: int) -> None:
        """Report late records that were written.

        :param oldest: time of the oldest record: seconds since 1970.
        """
        columns = self._table.columns
        earliest = sa.case((columns.rolled_until > oldest, oldest), else_=columns.rolled_until)
        values = {"rolled_until": earliest, "held_until": columns.held_until + 1}
        update = sa.update(self._table).where(self._is_own_row).values(values)
        exists = sa.select(columns.table_name).where(self._is_own_row)
        with engine.begin() as connection:
            connection.execute(update)
            if connection.execute(exists).first() is not None:
                return
        row = {"table_name": self._key, "holder": "", "held_until": 0, "rolled_until": oldest}
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(self._table).values(row))
        except exc.IntegrityError:  # another process inserted the row first
            with engine.begin() as connection:
                connection.execute(update)
