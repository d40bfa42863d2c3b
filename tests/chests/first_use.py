"""Many processes that write to a new chest at the same moment."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Mapping
from threading import Barrier
from typing import Any

from flask_chest import Chest
from flask_chest.chests.registry import load_class
from flask_chest.testing import make_records

#: How many records each worker writes.
ROUNDS = 10
_SECONDS = 120


def write_at_once(class_name: str, arguments: Mapping[str, Any], *, workers: int) -> None:
    """Start workers, let them all write their records at once, and see that none of them fails.

    They are forks of one process, as a server's are, which has imported what they need.
    """
    command = [sys.executable, "-W", "error", "-m", __name__, class_name, json.dumps(arguments)]
    done = subprocess.run(
        [*command, str(workers)], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def start(made_by: type[Chest], arguments: Mapping[str, Any], workers: int) -> bool:
    """Let workers write.

    :returns: whether all of them have.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(workers)
    processes = [
        context.Process(target=work, args=(made_by, arguments, barrier)) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return all(process.exitcode == 0 for process in processes)


def work(made_by: type[Chest], arguments: Mapping[str, Any], barrier: Barrier) -> None:
    """Make the chest, wait for the others, and write."""
    chest = made_by(**arguments)
    records = make_records(ROUNDS)
    barrier.wait(_SECONDS / 2)
    for record in records:
        chest.write([record])
    chest.close()


if __name__ == "__main__":
    sys.exit(not start(load_class(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])))
