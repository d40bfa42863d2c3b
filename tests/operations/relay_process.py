"""``flask chest relay`` as a process: ``with Relay(folder, source, target) as relay: ...``."""

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
    """Started on entering, killed on leaving.

    :param folder: the app's instance folder.
    :param words: source, target and options.
    :param app: what ``flask --app`` gets.
    :param env: variables over those of this process.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        app: str = APP,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", "flask", "--app", app, "chest", "relay", *words]
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
        assert self.first.startswith("relaying "), self.told()
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

    def told(self) -> str:
        """What it wrote to standard error."""
        return self._file.read_text(errors="replace")

    def wait_until_told(self, words: str) -> None:
        """Wait until it has logged something."""
        wait_until(lambda: words in self.told(), self.told)

    def freeze(self) -> None:
        """Let it hang, as a machine does that has no time for it."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def end(self) -> str:
        """Ask it to end, and return its last words."""
        self._process.send_signal(signal.SIGTERM)
        last, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self.told()
        return last.decode()
