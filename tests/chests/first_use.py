"""Many processes that write to a new chest at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

#: How many records each worker writes.
ROUNDS = 10


def write_at_once(class_name: str, arguments: Mapping[str, Any], *, workers: int) -> None:
    """Start workers, let them all write their records at once, and see that none of them fails."""
    command = [sys.executable, "-W", "error", "-m", __name__, class_name, json.dumps(arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(workers)]  # type: ignore[call-overload]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        ends = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [errors for _, errors, status in ends if status] == []


def work(class_name: str, arguments: Mapping[str, Any]) -> None:
    """Make the chest, say so, wait for the word, and write."""
    from flask_chest.chests.urls import load_class
    from flask_chest.conformance import make_records

    chest = load_class(class_name)(**arguments)
    records = make_records(ROUNDS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for record in records:
        chest.write([record])
    chest.close()


if __name__ == "__main__":
    work(sys.argv[1], json.loads(sys.argv[2]))
