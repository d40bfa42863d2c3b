"""The tests of this folder once more, under the compiler's sanitizers.

They end a process that reads or writes what is not its own, or does what C leaves undefined:
https://gcc.gnu.org/onlinedocs/gcc/Instrumentation-Options.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

from ..servers.programs import skip_without

# It compiles, and runs more than a hundred tests at a third of their speed.
pytestmark = pytest.mark.server

SANITIZERS = "-fsanitize=address,undefined"


def library(name: str) -> str:
    """Where the compiler has the library of a sanitizer."""
    asked = ["gcc", f"-print-file-name={name}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        skip_without(name)
    return found


def run(folder: Path, command: list[str], **environment: str) -> str:
    """What a command says in the end."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_nothing_is_found(tmp_path: Path) -> None:
    """No test makes them find anything."""
    if shutil.which("gcc") is None:
        skip_without("gcc")
    tree = tmp_path / "tree"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.so", "build", "docs", "instance")
    shutil.copytree(ROOT, tree, ignore=skipped)
    flags = f"-O1 -g -fno-omit-frame-pointer {SANITIZERS}"
    build = ["setup.py", "--quiet", "build_ext", "--inplace"]
    run(tree, build, CC="gcc", CFLAGS=flags, LDFLAGS=SANITIZERS)
    # Their last words go to the descriptor itself.
    test = ["-m", "pytest", "-q", "--capture=sys", "-m", "not server", "tests/speedups"]
    said = run(
        tree,
        test,
        LD_PRELOAD=f"{library('libasan.so')} {library('libubsan.so')}",
        # Python itself leaves some to the end; what requests leave is counted by a test.
        ASAN_OPTIONS="detect_leaks=0",
        UBSAN_OPTIONS="halt_on_error=1",
        # Its own allocator would hide from them where an object ends.
        PYTHONMALLOC="malloc",
    )
    assert " passed" in said
    assert "skipped" not in said
