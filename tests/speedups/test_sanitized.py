"""The tests of this folder again, under the compiler's sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sanitizers import SanitizedTree

# Compiles the C code, and runs more than a hundred tests at a third of their speed.
pytestmark = pytest.mark.server


def test_nothing_is_found(tmp_path: Path) -> None:
    """The sanitizers find nothing in any test."""
    tree = SanitizedTree(tmp_path / "tree")
    # The sanitizers write their report to the file descriptor itself.
    test = ["-m", "pytest", "-q", "--capture=sys", "-m", "not server", "tests/speedups"]
    done = tree.run(test)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
