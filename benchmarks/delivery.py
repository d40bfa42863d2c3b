"""Cost of delivering a record, in addition to its capture: ``python -m benchmarks.delivery``.

Delivery runs in a thread of the serving process, and requests wait while it holds the GIL. The
benchmark measures its CPU time: the CPU of all threads, less that of the thread that captures.
SQLite releases the GIL while it runs a statement, so only the rest of the time delays requests. An
agent moves all of it out of the serving processes.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time, thread_time
from typing import Any

from flask_chest import FlaskChest
from flask_chest.record.json_line import encode

from . import apps
from .comparison import make_records
from .promises import load

BATCHES = 20
ROUNDS = 7
WARM_UP = 1000

_BUFFERS = {"disk": "journal", "memory": "memory"}
_STORES = {"null://": "nowhere", "sqlite:///chest.db": "SQLite"}


def deliver(buffer: str, chest: str, lines: Sequence[bytes], folder: Path) -> tuple[float, float]:
    """Microseconds of CPU per delivered record: all of them, and those that hold the GIL."""
    app = apps.bare(folder)
    chests = [apps.make_nowhere() if chest == "null://" else chest]
    app.config.update(CHEST_CHESTS=chests, CHEST_BUFFER=buffer)
    extension = FlaskChest(app)
    hand_over = extension.of(app).delivery.hand_over
    # The first batch imports modules and creates tables, once per process.
    for line in lines[:WARM_UP]:
        hand_over(line, 1)
    assert extension.flush(60)
    _TimedConnection.spent = 0.0
    everything, own = process_time(), thread_time()
    for line in lines[WARM_UP:]:
        hand_over(line, 1)
    assert extension.flush(60)
    taken = (process_time() - everything) - (thread_time() - own)
    extension.close()
    each = 1e6 / (len(lines) - WARM_UP)
    return taken * each, (taken - _TimedConnection.spent) * each


class _TimedConnection(sqlite3.Connection):
    """Adds up the CPU time of statements in the thread that runs them."""

    spent = 0.0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        began = thread_time()
        try:
            return super().execute(*arguments)
        finally:
            type(self).spent += thread_time() - began


def main() -> None:
    """Measure, and print medians with their range."""
    sqlite3.connect = partial(sqlite3.connect, factory=_TimedConnection)  # type: ignore[assignment]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        lines = [encode(record) for _ in range(BATCHES) for record in make_records()]
        for buffer in _BUFFERS:
            for chest in _STORES:
                with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
                    cost = deliver(buffer, chest, lines, Path(folder))
                found.setdefault((buffer, chest), []).append(cost)
    print(f"\nDelivery ({ROUNDS} rounds of {BATCHES * 1000} records; {load()})")
    for (buffer, chest), costs in found.items():
        name = f"{_BUFFERS[buffer]}, to {_STORES[chest]}"
        both, held = ([each[number] for each in costs] for number in (0, 1))
        told = f"{median(both):6.2f} us of CPU a record ({min(both):.2f}-{max(both):.2f})"
        print(f"  {name:20}{told}, {median(held):.2f} of which hold the GIL")


if __name__ == "__main__":
    main()
