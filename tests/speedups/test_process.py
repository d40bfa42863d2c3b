"""A process knows itself, and its ids are its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_chest._speedups import IdMaker, _python

from .sides import NOW

FORKED = """
import ctypes, os
from flask_chest._process import current_pid
from flask_chest.record.ids import record_ids as ids

# What an id begins its count with: the rest of it goes up.
def tell():
    print(current_pid() == os.getpid(), ids.make(0)[16:24], flush=True)

tell()
# Not by Python, which hears nothing of it: as uWSGI does.
child = ctypes.CDLL(None).fork()
if not child:
    tell()
    os._exit(0)
os.waitpid(child, 0)
tell()
"""


def test_a_fork_that_python_hears_nothing_of() -> None:
    """The child knows that it is another process, and makes ids of its own."""
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = [line.split() for line in done.stdout.splitlines()]
    assert [each for each, _ in told] == ["True"] * 3
    assert len({number for _, number in told}) == 2


def test_ids_are_the_same() -> None:
    """Both make the same of a time, but for what is drawn."""
    for moment in (0, 999, 1000, NOW, NOW + 1, 2**50):
        made = [maker.make(moment) for maker in (IdMaker(), _python.IdMaker())]
        assert made[0][:16] == made[1][:16]
        assert [each[16] in "89ab" for each in made] == [True, True]
    with pytest.raises(TypeError):
        IdMaker().make("now")  # type: ignore[arg-type]
