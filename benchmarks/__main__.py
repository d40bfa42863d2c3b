"""Run all benchmarks and check each promise: ``python -m benchmarks [name ...]``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .promises import summary

ALL = (
    *("request", "serving", "stores", "memory", "import_time", "rules", "variables", "delivery"),
    *("dockerflow", "resilience", "instructions", "features", "explaining"),
    *("reading", "overview", "answers", "year"),
)


def main() -> int:
    """Run the benchmarks; return 1 if one could not run. A broken promise is only reported."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
        noted = Path(folder, "promises")
        environment = {**os.environ, "BENCH_PROMISES": str(noted)}
        for name in sys.argv[1:] or ALL:
            print(f"\n=== {name}", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}"]
            if subprocess.run(command, env=environment, check=False).returncode:
                failed.append(name)
        print("\n=== the promises", flush=True)
        summary(noted)
        print("kill -9 of a worker under load, 100 times: tox -e torture")
    if failed:
        print(f"did not run: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
