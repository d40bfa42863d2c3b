"""A command, and a job of the app's scheduler."""

from __future__ import annotations

import subprocess
import sys

from flask.cli import ScriptInfo

from examples.jobs import create_app
from flask_chest.testing import capture_records
from tests import ROOT


def test_jobs() -> None:
    """``python -m examples.jobs`` shows a record for each of two runs."""
    command = [sys.executable, "-m", "examples.jobs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    line = "job {'source': 'central bank', 'rates': {'EUR': 1.0, 'SEK': 11.2}}"
    assert done.stdout.splitlines()[:2] == [line] * 2, done.stderr


def test_command() -> None:
    """``flask clean-up`` leaves a record of kind ``command``."""
    app = create_app(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none")
    runner = app.test_cli_runner()
    with capture_records(app) as records:
        result = runner.invoke(
            app.cli, ["clean-up", "--days", "30"], obj=ScriptInfo(create_app=lambda: app)
        )
    assert result.output == "7 drafts deleted\n"
    assert [(each.kind, each.endpoint) for each in records] == [("command", "clean-up")]
    variables = {"older_than": 2592000.0, "deleted": 7, "process.exit.code": 0}
    assert records[0].vars == variables
