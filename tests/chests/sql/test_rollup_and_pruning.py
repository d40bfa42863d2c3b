"""Pruning of an SQL store."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from .helpers import make_sqlite_chest, query_file
from .rollups.suite import days_of_records, maintain, now


def test_stops_between_batches(tmp_path: Path) -> None:
    """Pruning stops after the current batch, and another process can continue it."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(list(days_of_records(now() - timedelta(days=2), 3)))
    stop = threading.Event()
    batches = chest.prune(now() - timedelta(days=1), stop)
    first = next(batches)
    stop.set()
    assert list(batches) == []
    left = [(600 - first,)]
    assert query_file(tmp_path / "chest.db", "SELECT count(*) FROM chest_records") == left
    assert sum(chest.prune(now() - timedelta(days=1), threading.Event())) == 600 - first
    chest.close()


def test_without_tables(tmp_path: Path) -> None:
    """Before the first delivery, maintenance and pruning create no file."""
    chest = make_sqlite_chest(tmp_path)
    maintain(chest, timedelta(days=1))
    assert list(chest.prune(now(), threading.Event())) == []
    assert list(tmp_path.iterdir()) == []
