"""The current process id, and ids that differ between processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_chest._speedups import IdMaker, _python

from .sides import NOW

FORKED = """
import ctypes, os
from flask_chest._process_lock import current_pid
from flask_chest.record.ids import record_ids as ids

# The random start of the counter; its last digits change with each id.
def tell():
    print(current_pid() == os.getpid(), ids.make(0)[16:24], flush=True)

tell()
# Without Python's fork hooks, as uWSGI forks.
child = ctypes.CDLL(None).fork()
if not child:
    tell()
    os._exit(0)
os.waitpid(child, 0)
tell()
"""


def test_a_fork_without_pythons_hooks() -> None:
    """A child of a fork without Python's hooks has its own process id and its own ids."""
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = [line.split() for line in done.stdout.splitlines()]
    assert [each for each, _ in told] == ["True"] * 3
    assert len({number for _, number in told}) == 2


def test_ids_are_the_same() -> None:
    """Both implementations return the same id for a time, except for the random bits."""
    for moment in (0, 999, 1000, NOW, NOW + 1, 2**50):
        made = [maker.make(moment) for maker in (IdMaker(), _python.IdMaker())]
        assert made[0][:16] == made[1][:16]
        assert [each[16] in "89ab" for each in made] == [True, True]
    with pytest.raises(TypeError):
        IdMaker().make("now")  # type: ignore[arg-type]
