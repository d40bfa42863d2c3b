"""The lease: one process at a time maintains a store."""

from __future__ import annotations

import threading

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.sql.rollups.maintenance_lease import Lease
from flask_chest.errors import ReadError

from .suite import days_of_records, maintain, now


def test_exclusive(chest: FlaskChestSQLite) -> None:
    """Another process can neither acquire a held lease, nor prune, nor roll up."""
    chest.write(list(days_of_records(now())))
    first, second = Lease(chest, chest.engine()), Lease(chest, chest.engine())
    assert first.acquire()
    assert first.acquire(), "the holder renews its lease"
    assert not second.acquire()
    with pytest.raises(ReadError, match="another process is pruning it; try again later"):
        list(chest.prune(now(), threading.Event()))
    maintain(chest)
    assert second.rolled_until == 0
    first.release()
    assert second.acquire()
    chest.close()


@pytest.mark.parametrize("held_until", [0, 99_999_999_999])
def test_expiry(chest: FlaskChestSQLite, held_until: int) -> None:
    """An expired lease is free, and so is one whose holder's clock was years ahead."""
    chest.write(list(days_of_records(now(), 1)))
    engine = chest.engine()
    first, second = Lease(chest, engine), Lease(chest, engine)
    assert first.acquire()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE chest_upkeep SET held_until = {held_until}")
    assert second.acquire()
    chest.close()
