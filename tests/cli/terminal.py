"""Runs a command in a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flask import Flask

from tests import ROOT


class Terminal:
    """A command that runs in a new pseudo-terminal.

    :param command: the command and its arguments.
    :param folder: its working directory.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, done: Callable[[str], bool]) -> str:
        """Read the output until ``done`` returns true for it."""
        while not done(self.text):
            ready, _, _ = select.select([self._ours], [], [], 120)
            assert ready, self.text
            chunk = os.read(self._ours, 65536)
            assert chunk, self.text
            self.text += chunk.decode()
        return self.text

    def read_all(self) -> str:
        """Read the output until the command ends."""
        with suppress(OSError):  # Linux raises it when the command has closed the terminal
            self.read_until(lambda _: False)
        return self.text

    def close(self) -> None:
        """Stop the command."""
        self.process.terminate()
        self.process.wait(60)
        with suppress(OSError):
            os.close(self._ours)


#: The file ``shop.py`` of an app that a command loads.
APP = """
from pathlib import Path
from flask import Flask
from flask_chest import FlaskChest
app = Flask(__name__, instance_path=str(Path(__file__).parent))
FlaskChest(app)
"""


def visit(app: Flask, *numbers: int) -> None:
    """Make requests and wait until their records are delivered."""
    for number in numbers:
        app.test_client().get(f"/orders/{number}")
    assert app.extensions["chest"].flush(60)
