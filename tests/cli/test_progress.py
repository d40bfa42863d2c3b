"""Long commands show a progress bar on a terminal, and nothing but their result elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from flask_chest.app.state import get_state
from tests import ROOT

from ..query.records import END, sample_records
from .shop import make_shop

pytestmark = pytest.mark.server
_SCRIPT = """
import sys
from pathlib import Path
from flask_chest.cli import chest
from tests.cli.shop import make_shop
with make_shop(Path(sys.argv[1]), CHEST_CHESTS=[sys.argv[2]]).app_context():
    chest.main(sys.argv[3:])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The instance folder of an app with 600 records in its store."""
    app = make_shop(tmp_path)
    [chest] = get_state(app).chests
    ago = datetime.now(timezone.utc) - timedelta(days=2) - END
    chest.write([replace(record, time=record.time + ago) for record in sample_records()])
    chest.close()
    return tmp_path


def commands(folder: Path) -> list[list[str]]:
    """Return the commands that may take long, each with the URL of its chest."""
    file = str(folder / "out.ndjson")
    return [
        ["sqlite:///chest.db", "export", "--output", file],
        ["sqlite:///other.db", "import", file],
        ["sqlite:///other.db", "forget", "--where", "user_id=3", "--yes"],
        ["sqlite:///other.db", "prune", "--older-than", "1 hour", "--yes"],
    ]


def on_terminal(folder: Path, arguments: list[str]) -> tuple[str, str]:
    """Run a command with a terminal as standard error; return both outputs."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(folder), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        shown = _read_all(ours)
        assert process.stdout is not None
        output = process.stdout.read().decode()
    os.close(ours)
    assert process.returncode == 0, shown
    return output, shown


def _read_all(terminal: int) -> str:
    text = b""
    with suppress(OSError):  # Linux raises it when the command has closed the terminal
        while part := os.read(terminal, 4096):
            text += part
    return text.decode()


def test_bars_on_a_terminal(folder: Path) -> None:
    """Each command draws a bar up to 100 % on standard error, and none on standard output."""
    for arguments in commands(folder):
        output, shown = on_terminal(folder, arguments)
        assert "\r" in shown, arguments
        assert "[####################################]  100%" in shown, arguments
        assert "\r" not in output
        assert "#" not in output


def test_no_bar_without_a_terminal(folder: Path) -> None:
    """Without a terminal there are no bars and no colours."""
    for arguments in commands(folder)[:3]:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(folder), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "", arguments
        assert not set("\r\x1b#") & set(done.stdout)
