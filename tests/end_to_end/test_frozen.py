"""A process that is frozen between requests, as a function platform does (simulated: SIGSTOP)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = pytest.mark.server


def stored(folder: Path) -> list[int]:
    sql = "SELECT json_extract(vars, '$.number') FROM chest_records ORDER BY id"
    with closing(sqlite3.connect(folder / "chest.db")) as database:
        return [number for (number,) in database.execute(sql)]


@pytest.mark.parametrize("shape", ["wsgi", "mangum"])
def test_a_process_that_is_frozen_between_requests(tmp_path: Path, shape: str) -> None:
    """Each record is in the store while the process stands still; a kill then loses nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.end_to_end.frozen", str(tmp_path), shape],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        for number in range(4):
            process.send_signal(signal.SIGCONT)
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ok\n"
            process.send_signal(signal.SIGSTOP)
            assert stored(tmp_path) == list(range(number + 1))
            time.sleep(1.5)  # longer than the interval of the exporter
        process.kill()
        assert process.stderr.read() == ""
