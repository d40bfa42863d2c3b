"""Runs the fuzzers and all other property tests under the sanitizers, for a given time."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ..speedups.sanitizers import SanitizedTree

# These need a database, which is not under test here.
_NOT_HERE = ("test_stores", "test_influxdb")
_STATISTICS = re.compile(r"^(\S+::\S+):$|(\d+) passing(?: examples)?, (\d+) failing", re.MULTILINE)


def main() -> int:
    """Repeat rounds with new seeds until the time is over, or one fails; print the number of cases.

    ``FUZZ_SECONDS`` is the time, 3600 by default; ``FUZZ_SEED`` the first round's seed.
    """
    seconds = float(os.environ.get("FUZZ_SECONDS", "3600"))
    seed = int(os.environ.get("FUZZ_SEED", str(int(time.time()))))
    cases: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        tree = SanitizedTree(Path(folder) / "tree")
        files = _files(Path(folder) / "tree")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = tree.run(_round(seed, files), timeout=seconds + 3600)
            _count(done.stdout, cases)
            print(f"seed {seed}: {sum(cases.values()):,} cases so far", flush=True)
            if done.returncode:
                print(done.stdout.partition("Hypothesis Statistics")[0], done.stderr[-20_000:])
                return 1
            seed += 1
    for test, count in sorted(cases.items()):
        print(f"{count:>12,}  {test}")
    print(f"{sum(cases.values()):>12,}  cases in {seconds:,.0f} s, none failed")
    return 0


def _round(seed: int, files: list[str]) -> list[str]:
    return [
        *("-m", "pytest", "-q", "--capture=sys", "-p", "no:cacheprovider"),
        *("-m", "hypothesis", "--hypothesis-profile=fuzz"),
        *(f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"),
        *(f"--deselect=tests/chests/test_hostile.py::{name}" for name in _NOT_HERE),
        *files,
    ]


def _files(tree: Path) -> list[str]:
    """Return the files with property tests. To collect all files takes minutes."""
    found = (tree / "tests").rglob("test_*.py")
    return sorted(
        str(file.relative_to(tree)) for file in found if "from hypothesis" in file.read_text()
    )


def _count(output: str, cases: Counter[str]) -> None:
    """Add the number of examples of each test in a round's output."""
    test = ""
    for found in _STATISTICS.finditer(output):
        if found[1]:
            test = found[1]
        else:
            cases[test] += int(found[2]) + int(found[3])


if __name__ == "__main__":
    sys.exit(main())
