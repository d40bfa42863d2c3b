"""``python -m tests.suites [PACKAGE ...]``: other packages' suites with a chest in every app.

Each suite must pass the same tests as without, in at most 1.15 of the time. The exit status is 1 if
one does not.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..real_apps.environment import make_environment
from .catalogue import SUITES, Suite
from .runs import Run, run, unpack

_ENVIRONMENTS = Path(sys.prefix, "suites")
# Of each kind; the fastest counts, since other processes only ever make a run slower.
_RUNS = 3
_MAX_RATIO = 1.15
_TABLE = "{:<16} {:>7} {:>7} {:>9} {:>9} {:>6} {:>6}  {}"


def main(packages: list[str]) -> int:
    """Run the suites of the named packages, or all of them, and print a table."""
    _print(_TABLE.format("suite", "passed", "chest", "seconds", "chest", "ratio", "CPU", ""))
    failed = False
    for suite in SUITES:
        if not packages or suite.package.lower() in map(str.lower, packages):
            try:
                failed = not _compare(suite) or failed
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                _print(f"{suite.package} did not run: {error}")
                failed = True
    return int(failed)


def _compare(suite: Suite) -> bool:
    packages = ["pip>=25", "pytest", *suite.needs]
    python = make_environment(_ENVIRONMENTS / suite.package, packages)
    with TemporaryDirectory() as folder:
        sources = unpack(suite.package, python, Path(folder))
        target = f"{sources}{suite.extra}"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", target], check=True)
        bare, chest = [], []
        for _ in range(_RUNS):
            bare.append(run(python, sources, suite.arguments, with_chest=False))
            chest.append(run(python, sources, suite.arguments, with_chest=True))
    return report(suite.package, bare, chest, suite.excused)


def report(name: str, bare: list[Run], chest: list[Run], excused: Sequence[str] = ()) -> bool:
    """Print a row of the table; return whether the suite passed.

    :param excused: ends of the names of tests that cannot pass with a chest.
    """
    # A test that passes only sometimes says nothing.
    steady = frozenset.intersection(*(each.passed for each in bare))
    steady -= {each for each in steady if each.endswith(tuple(excused))}
    missing = steady - frozenset.intersection(*(each.passed for each in chest))
    before, after = (min(each.seconds for each in runs) for runs in (bare, chest))
    cpu_before, cpu_after = (min(each.cpu_seconds for each in runs) for runs in (bare, chest))
    ratio, cpu_ratio = after / before, cpu_after / cpu_before
    good = bool(steady) and not missing and ratio <= _MAX_RATIO
    row = (name, len(steady), len(steady) - len(missing), round(before, 2), round(after, 2))
    ratios = f"{ratio:.2f}", f"{cpu_ratio:.2f}"
    _print(_TABLE.format(*row, *ratios, "" if good else "FAILED"))
    for each in sorted(missing):
        _print(f"    passes only without a chest: {each}")
    return good


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
