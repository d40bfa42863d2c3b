"""Memory of a process, and of each waiting record: ``python -m benchmarks.memory``.

Separate processes print their memory (``VmRSS``) after some requests, when all parts of a serving
process are loaded: imports, the threads of the scheduler and the journal.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

REQUESTS = 20_000
ROUNDS = 3
APPS = ("bare", "disk", "memory")

_MEASURED = """
import sys, gc
from pathlib import Path
from benchmarks import apps
from benchmarks.workers import call

def resident():
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])

app = getattr(apps, sys.argv[1])(Path(sys.argv[2]))
for _ in range(500):
    call(app, apps.ENVIRON)
idle = resident()
for _ in range(int(sys.argv[3])):
    call(app, apps.ENVIRON)
print(idle, resident())
import os
sys.stdout.flush()
os._exit(0)
"""


def measure(name: str) -> tuple[int, int]:
    """KiB of an app's process: after 500 requests, and with many waiting records."""
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
        command = [sys.executable, "-c", _MEASURED, name, folder, str(REQUESTS)]
        root = Path(__file__).parents[1]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    idle, full = map(int, done.stdout.split())
    return idle, full


def main() -> None:
    """Measure in turns, and print medians."""
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in APPS}
    for _ in range(ROUNDS):
        for name in APPS:
            found[name].append(measure(name))
    print(f"\nMemory (medians of {ROUNDS} processes; {REQUESTS} records wait)")
    bare = median(idle for idle, _ in found["bare"])
    for name, rounds in found.items():
        idle = median(idle for idle, _ in rounds)
        each = median(full - idle for idle, full in rounds) / REQUESTS * 1024
        over = f"{(idle - bare) / 1024:5.1f} over the bare app's"
        print(f"  {name:8}{idle / 1024:7.1f} MiB per process, {over}; {each:6.0f} bytes per record")


if __name__ == "__main__":
    main()
