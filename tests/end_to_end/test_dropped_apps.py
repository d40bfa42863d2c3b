"""A process that makes and drops thousands of apps, as a long test run does."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests import ROOT

from .dropped_apps import VISITED

_APPS = 10_000


@pytest.mark.server
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_thousand_apps(tmp_path: Path) -> None:
    """No app, thread or descriptor stays, memory does not grow, and every record is stored."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.end_to_end.dropped_apps", str(tmp_path), str(_APPS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(result.stdout)
    before, after = found["before"], found["after"]
    assert found["alive"] == 0
    # The pool of delivery may have another thread and the files of another app at this moment.
    assert after["threads"] <= before["threads"] + 8
    assert after["descriptors"] <= before["descriptors"] + 16
    assert after["bytes"] - before["bytes"] < 16 * 1024 * 1024
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        [(stored,)] = connection.execute("SELECT count(*) FROM chest_records")
    assert stored == _APPS // VISITED + 1
