"""Runs ``flask chest relay`` as a process: ``with Relay(folder, source, target) as relay: ...``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from tests import ROOT
from tests.torture.app import environment
from tests.waiting import wait_until

APP = "tests.torture.app:create_app()"


class Relay:
    """A relay that starts on entering the context, and is killed on leaving it.

    :param folder: the app's instance folder.
    :param arguments: source, target and options.
    :param app: the value of ``flask --app``.
    :param env: variables that override those of this process.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        app: str = APP,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", "flask", "--app", app, "chest", "relay", *arguments]
        config = {"CHEST_CHESTS": ["memory://"], "CHEST_BATCH_SIZE": 100}
        self._env = {**os.environ, **environment(folder, **config), **(env or {})}
        self._file = folder / "relay.log"

    def __enter__(self) -> Self:
        with self._file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        self.first = self._process.stdout.readline().decode()
        assert self.first.startswith("relaying "), self.log()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def log(self) -> str:
        """Return the text that the relay wrote to standard error."""
        return self._file.read_text(errors="replace")

    def wait_until_logged(self, text: str) -> None:
        """Wait until the relay's log has a text."""
        wait_until(lambda: text in self.log(), self.log)

    def suspend(self) -> None:
        """Suspend the process, like an overloaded machine."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the suspended process."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process, like a crash."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> str:
        """Send SIGTERM, wait for the end, and return the last output."""
        self._process.send_signal(signal.SIGTERM)
        last, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self.log()
        return last.decode()
