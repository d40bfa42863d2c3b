"""The tests of this folder again, under the compiler's sanitizers.

Sanitizers end a process that accesses foreign memory or runs into undefined behaviour:
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

# Compiles the C code, and runs more than a hundred tests at a third of their speed.
pytestmark = pytest.mark.server

SANITIZERS = "-fsanitize=address,undefined"


def library(name: str) -> str:
    """Return the path of a sanitizer's library."""
    asked = ["gcc", f"-print-file-name={name}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        skip_without(name)
    return found


def run(folder: Path, command: list[str], **environment: str) -> str:
    """Return the output of a command that succeeds."""
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
    """The sanitizers find nothing in any test."""
    if shutil.which("gcc") is None:
        skip_without("gcc")
    tree = tmp_path / "tree"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.so", "build", "docs", "instance")
    shutil.copytree(ROOT, tree, ignore=skipped)
    flags = f"-O1 -g -fno-omit-frame-pointer {SANITIZERS}"
    build = ["setup.py", "--quiet", "build_ext", "--inplace"]
    run(tree, build, CC="gcc", CFLAGS=flags, LDFLAGS=SANITIZERS)
    # The sanitizers write their report to the file descriptor itself.
    test = ["-m", "pytest", "-q", "--capture=sys", "-m", "not server", "tests/speedups"]
    said = run(
        tree,
        test,
        LD_PRELOAD=f"{library('libasan.so')} {library('libubsan.so')}",
        # Python itself does not free everything at exit; another test counts leaks of requests.
        ASAN_OPTIONS="detect_leaks=0",
        UBSAN_OPTIONS="halt_on_error=1",
        # Python's own allocator would hide the ends of objects from the sanitizers.
        PYTHONMALLOC="malloc",
    )
    assert " passed" in said
    assert "skipped" not in said
