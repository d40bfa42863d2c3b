"""Writes to a new chest from many processes at the same time."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Mapping
from threading import Barrier
from typing import Any

from flask_chest import Chest
from flask_chest.chests.store_registry import load_class
from flask_chest.testing import make_records

#: Number of records that each worker writes.
ROUNDS = 10
_SECONDS = 120


def write_at_once(class_name: str, arguments: Mapping[str, Any], *, workers: int) -> None:
    """Start workers that write at the same time, and check that none of them fails.

    The workers are forks of one process that has imported the chest, as in a server.
    """
    command = [sys.executable, "-W", "error", "-m", __name__, class_name, json.dumps(arguments)]
    done = subprocess.run(
        [*command, str(workers)], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def start(chest_class: type[Chest], arguments: Mapping[str, Any], workers: int) -> bool:
    """Run the workers.

    :returns: whether all of them succeeded.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(workers)
    processes = [
        context.Process(target=work, args=(chest_class, arguments, barrier)) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return all(process.exitcode == 0 for process in processes)


def work(chest_class: type[Chest], arguments: Mapping[str, Any], barrier: Barrier) -> None:
    """Make the chest, wait for the other workers, and write."""
    chest = chest_class(**arguments)
    records = make_records(ROUNDS)
    barrier.wait(_SECONDS / 2)
    for record in records:
        chest.write([record])
    chest.close()


if __name__ == "__main__":
    sys.exit(not start(load_class(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])))
