"""A web server in processes of its own, on a free port of loopback."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from tests import ROOT

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class ServerProcess:
    """Starts on entering, stops on leaving.

    :param command: binds port 0 of loopback and says in its output which port it got.
    :param workers: how many worker processes to wait for.
    :param log: a file for its output.
    :param env: variables over those of this process.
    """

    address = re.compile(r"127\.0\.0\.1:(?!0\b)(\d+)")

    def __init__(
        self, command: Sequence[str], *, workers: int, log: Path, env: Mapping[str, str]
    ) -> None:
        self._command = command
        self._workers = workers
        self._log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self.port = self._wait_for(self._find_port)
            self._wait_for(self._answers)
            self._wait_for(lambda: len(self.worker_pids()) >= self._workers)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def master_pid(self) -> int:
        return self.process.pid

    def worker_pids(self) -> list[int]:
        """The children of the master, oldest first."""
        return sorted(list_children(self.master_pid))

    def kill_worker(self) -> int:
        """Kill the oldest worker as the kernel would, and tell which it was."""
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill(self) -> None:
        """Kill the master and all workers at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.master_pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, *, seconds: float = 60) -> int:
        """Ask it to finish, wait until it has, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {seconds} s:\n{self.log}") from None

    def _find_port(self) -> int:
        found = self.address.search(self.log)
        return int(found[1]) if found else 0

    def _answers(self) -> bool:
        """Say nothing and wait for the other side to hang up: the app never hears of it.

        Only a worker that is ready hangs up in good order. A server that gives up while we wait
        resets the connection.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1) == b""

    def _wait_for(self, ask: Callable[[], T], *, seconds: float = 120) -> T:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(ConnectionError):
                if answer := ask():
                    return answer
            time.sleep(0.02)
        raise AssertionError(f"{self._command} did not start:\n{self.log}")


def list_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if children.exists():
        return [int(child) for child in children.read_text().split()]
    # macOS has no /proc; a slim container has no pgrep.
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(child) for child in found.stdout.split()]
