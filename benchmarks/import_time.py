"""Time to import Flask-Chest, in addition to Flask's: ``python -m benchmarks.import_time``.

New interpreters import, in turn, Flask alone and Flask with Flask-Chest, with all bytecode compiled
before. Each prints how long its imports took. An import never waits, so on a busy machine its CPU
time is the time that it would take on an idle one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from .promises import Promise, report_promises

LIMIT_MS = 60.0
ROUNDS = 21
FLASK = "import flask"
CHEST = "import flask, flask_chest"
TIMED = """
import time
began = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - began[0], time.process_time() - began[1])
"""


def measure(statement: str, bytecode: str) -> tuple[float, float]:
    """Wall and CPU time of a statement in a new interpreter, in milliseconds."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    wall, cpu = done.stdout.split()
    return float(wall) * 1000, float(cpu) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as bytecode:
        measure(CHEST, bytecode)
        rounds = [(measure(FLASK, bytecode), measure(CHEST, bytecode)) for _ in range(ROUNDS)]
    print(f"median of {ROUNDS}               wall ms   cpu ms")
    for name, number in ((FLASK, 0), (CHEST, 1)):
        wall, cpu = (median(each[number][clock] for each in rounds) for clock in (0, 1))
        print(f"{name:<26} {wall:8.1f} {cpu:8.1f}")
    wall, cpu = (median(c[clock] - f[clock] for f, c in rounds) for clock in (0, 1))
    ratio = median(c[1] / f[1] for f, c in rounds)
    print(f"added                      {wall:8.1f} {cpu:8.1f}  ({ratio:.2f} times Flask alone)")
    report_promises([Promise("ms of CPU that the import adds to Flask's", cpu, LIMIT_MS)])


if __name__ == "__main__":
    main()
