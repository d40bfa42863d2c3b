"""What delivery costs a record, on top of what its request paid: ``python -m benchmarks.delivery``.

Delivery runs in a thread of the serving process, and while its CPU time holds the GIL, requests
wait. So it is measured as CPU: that of all threads less that of the one which hands records over.
SQLite lets go of the GIL for a part of it, so what requests feel is less. An agent takes all of it
out of the serving processes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time, thread_time

from flask_chest import FlaskChest
from flask_chest.encoding import encode

from . import apps
from .rounds import make_records
from .verdicts import load

BATCHES = 20
ROUNDS = 7
WARM_UP = 1000

_BUFFERS = {"disk": "journal", "memory": "memory"}
_STORES = {"null://": "nowhere", "sqlite:///chest.db": "SQLite"}


def deliver(buffer: str, chest: str, lines: Sequence[bytes], folder: Path) -> float:
    """Microseconds of CPU that delivery takes for a record."""
    app = apps.bare(folder)
    chests = [apps.make_nowhere() if chest == "null://" else chest]
    app.config.update(CHEST_CHESTS=chests, CHEST_BUFFER=buffer)
    extension = FlaskChest(app)
    hand_over = extension.of(app).carrier.hand_over
    # The first batch pays for imports and tables, once in the life of a process.
    for line in lines[:WARM_UP]:
        hand_over(line, 1)
    assert extension.flush(60)
    everything, own = process_time(), thread_time()
    for line in lines[WARM_UP:]:
        hand_over(line, 1)
    assert extension.flush(60)
    taken = (process_time() - everything) - (thread_time() - own)
    extension.close()
    return taken / (len(lines) - WARM_UP) * 1e6


def main() -> None:
    """Measure, and print medians with their spread."""
    found: dict[tuple[str, str], list[float]] = {}
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
        spread = f"({min(costs):.2f}-{max(costs):.2f})"
        print(f"  {name:24}{median(costs):6.2f} us of CPU a record {spread}")


if __name__ == "__main__":
    main()
