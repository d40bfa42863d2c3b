"""One process at a time looks after a table, on however many machines they run."""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from ..late_records import late_row

if TYPE_CHECKING:
    from ..chest import SQLChest

#: Seconds after which another process takes over from one that died.
LENGTH = 300


def is_begun(chest: SQLChest) -> bool:
    """Whether the tables of a chest are there; looking makes none, nor a file for them."""
    engine = chest.make_read_only_engine()
    try:
        return sa.inspect(engine).has_table(chest.upkeep.name)
    except sa.exc.DBAPIError as error:
        if chest.is_missing_table(error):
            return False
        raise
    finally:
        engine.dispose()


class Late(NamedTuple):
    """Records that came so late that they would not be looked for.

    :param since: the time of the oldest: seconds since 1970.
    :param told: how often such were told of.
    """

    since: int
    told: int


class Lease:
    """The right to look after the table of a chest.

    It is a row of the database, not a lock: it outlives a lost connection, and ends by itself.

    :param chest: the chest.
    :param engine: a connection to its database, ours alone.
    """

    def __init__(self, chest: SQLChest, engine: sa.Engine) -> None:
        self._table = chest.upkeep
        self._name = chest.records.name
        self._is_late = chest.upkeep.columns.table_name == late_row(self._name)
        self._engine = engine
        self._renew_at = 0.0
        self._holder = f"{socket.gethostname()[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def acquire(self) -> bool:
        """Take or renew it; ``False`` where another process has it."""
        now = int(time.time())
        columns = self._table.columns
        # One whose clock was ahead when it died must not hold it for years.
        is_free = sa.or_(columns.held_until < now, columns.held_until > now + 2 * LENGTH)
        update = (
            sa.update(self._table)
            .where(columns.table_name == self._name)
            .where(sa.or_(columns.holder == self._holder, is_free))
            .values(holder=self._holder, held_until=now + LENGTH)
        )
        self._make_row()
        holder = sa.select(columns.holder).where(columns.table_name == self._name)
        self._renew_at = time.monotonic() + LENGTH / 10
        with self._engine.begin() as connection:
            # Not by the number of updated rows: MySQL counts none that is what it was.
            connection.execute(update)
            return bool(connection.execute(holder).scalar() == self._holder)

    def renew(self) -> bool:
        """Renew it where that is due; ``False`` where another process has it."""
        return time.monotonic() < self._renew_at or self.acquire()

    def release(self) -> None:
        """Let the next one have it."""
        columns = self._table.columns
        give = sa.update(self._table).where(columns.holder == self._holder)
        with self._engine.begin() as connection:
            connection.execute(give.values(held_until=0))

    @property
    def rolled_until(self) -> int:
        """Up to where hours are summed up: seconds since 1970."""
        columns = self._table.columns
        query = sa.select(columns.rolled_until).where(columns.table_name == self._name)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def note(self, rolled_until: int) -> None:
        """Say how far it is."""
        columns = self._table.columns
        update = sa.update(self._table).where(columns.table_name == self._name)
        with self._engine.begin() as connection:
            connection.execute(update.values(rolled_until=rolled_until))

    @property
    def late(self) -> Late | None:
        """What came too late to be looked for, where something did."""
        columns = self._table.columns
        query = sa.select(columns.rolled_until, columns.held_until)
        with self._engine.connect() as connection:
            found = connection.execute(query.where(self._is_late)).first()
        return None if found is None else Late(*found)

    def have_looked(self, late: Late) -> None:
        """Say that it is summed up, but for what has come meanwhile."""
        told = self._table.columns.held_until == late.told
        delete = sa.delete(self._table).where(self._is_late, told)
        with self._engine.begin() as connection:
            connection.execute(delete)

    def _make_row(self) -> None:
        columns = self._table.columns
        query = sa.select(columns.table_name).where(columns.table_name == self._name)
        with self._engine.connect() as connection:
            if connection.execute(query).first() is not None:
                return
        row = {"table_name": self._name, "holder": "", "held_until": 0, "rolled_until": 0}
        # Another one was faster.
        with suppress(sa.exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(sa.insert(self._table).values(row))
