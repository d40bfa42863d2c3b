"""What importing Flask-Chest costs over importing Flask: ``python -m benchmarks.import_time``.

Interpreters are started in turn: one imports Flask, the next imports Flask-Chest as well. Each
tells how long its imports took, with all bytecode compiled before. An import waits for nothing,
so on a machine that does other things too its CPU time is what it would take on an idle one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from .verdicts import Promise, tell

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
    """Milliseconds, by the clock and of CPU, that a statement takes in a new interpreter."""
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
    tell([Promise("milliseconds of CPU that its import adds to Flask's", cpu, LIMIT_MS)])


if __name__ == "__main__":
    main()
