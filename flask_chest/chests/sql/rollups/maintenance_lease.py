"""A lease in the database: one process at a time maintains a table, on any number of machines."""

from __future__ import annotations

import time
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy import exc

from ...archive_source import LEASE_SECONDS, lease_holder
from ..store_protocols import Store
from ..table_names import state_key


class Lease:
    """The exclusive right to maintain the table of a store.

    The lease is a row, not a lock of the database: it survives a lost connection, and it expires.

    :param store: the store.
    :param engine: an engine of the store that nothing else uses.
    :param work: what the lease is for; each kind of work has its own lease. The default is the
        maintenance of the tables.
    """

    def __init__(self, store: Store, engine: sa.Engine, work: str = "") -> None:
        self._table = store.maintenance
        name = store.records.name
        self._name = state_key(name, work) if work else name
        self._is_own_row = store.maintenance.columns.table_name == self._name
        self._engine = engine
        self._renew_at = 0.0
        self._holder = lease_holder()

    def acquire(self) -> bool:
        """Acquire or renew the lease; return ``False`` if another process holds it."""
        now = int(time.time())
        columns = self._table.columns
        # A process whose clock was ahead when it died must not hold the lease for years.
        is_free = sa.or_(columns.held_until < now, columns.held_until > now + 2 * LEASE_SECONDS)
        update = (
            sa.update(self._table)
            .where(self._is_own_row)
            .where(sa.or_(columns.holder == self._holder, is_free))
            .values(holder=self._holder, held_until=now + LEASE_SECONDS)
        )
        self._insert_row()
        holder = sa.select(columns.holder).where(self._is_own_row)
        self._renew_at = time.monotonic() + LEASE_SECONDS / 10
        with self._engine.begin() as connection:
            # The number of updated rows is no help: MySQL does not count unchanged rows.
            connection.execute(update)
            return bool(connection.execute(holder).scalar() == self._holder)

    def renew(self) -> bool:
        """Renew the lease if that is due; return ``False`` if another process holds it."""
        return time.monotonic() < self._renew_at or self.acquire()

    def release(self) -> None:
        """Release the lease."""
        update = sa.update(self._table).where(self._table.columns.holder == self._holder)
        with self._engine.begin() as connection:
            connection.execute(update.values(held_until=0))

    @property
    def rolled_until(self) -> int:
        """The end of the last hour that was rolled up: seconds since 1970."""
        query = sa.select(self._table.columns.rolled_until).where(self._is_own_row)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def set_rolled_until(self, rolled_until: int) -> None:
        """Save the end of the last hour that was rolled up: seconds since 1970."""
        update = sa.update(self._table).where(self._is_own_row)
        with self._engine.begin() as connection:
            connection.execute(update.values(rolled_until=rolled_until))

    def _insert_row(self) -> None:
        query = sa.select(self._table.columns.table_name).where(self._is_own_row)
        with self._engine.connect() as connection:
            if connection.execute(query).first() is not None:
                return
        row = {"table_name": self._name, "holder": "", "held_until": 0, "rolled_until": 0}
        # Another process may insert the row first.
        with suppress(exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(sa.insert(self._table).values(row))
