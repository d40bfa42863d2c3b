"""A request runs no more instructions than before; callgrind counts them, so the test is stable.

``instructions.json`` has the counts with and without Flask-Chest, for each version of Python, with
the compiled request path and without. Another build of the same Python needs more or fewer
instructions for everything, so the test compares shares of the bare app's count.
``python -m tests.guard.test_instructions`` stores the counts of the current Python; the commit that
raises them says why.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.instructions import count
from flask_chest._speedups import COMPILED
from tests.servers.programs import find_program

STORED = Path(__file__).with_name("instructions.json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}{'' if COMPILED else ', not compiled'}"
APPS = ("bare", "disk", "memory")
RISE = 1.05


@pytest.mark.server
@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="measuring runs instructions, too")
def test_a_request_runs_no_more_instructions_than_before() -> None:
    """The share of Flask-Chest is at most 5 % higher than stored, for each buffer."""
    valgrind = find_program("valgrind", "valgrind")
    before = json.loads(STORED.read_text()).get(VERSION)
    if before is None:
        pytest.skip(f"{STORED.name} has no count of Python {VERSION}")
    now = count(APPS, valgrind)
    risen = {
        mode: f"{rise - 1:+.1%}"
        for mode in APPS[1:]
        if (rise := _share(now, mode) / _share(before, mode)) > RISE
    }
    assert not risen, f"a request runs more instructions of ours: {risen}, {now}, before {before}"


def _share(counted: dict[str, int], mode: str) -> float:
    return (counted[mode] - counted["bare"]) / counted["bare"]


def main() -> None:
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    stored[VERSION] = count(APPS)
    STORED.write_text(json.dumps(dict(sorted(stored.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
