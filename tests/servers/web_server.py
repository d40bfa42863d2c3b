"""Base of all test web servers: a master with worker processes on a free port of loopback."""

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


class WebServer:
    """A web server that runs inside a ``with`` block.

    :param command: starts the server on port 0 of loopback; its output must name the actual port.
    :param workers: the number of worker processes to wait for.
    :param log: a file for its output.
    :param env: additional environment variables.
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
        """Return the children of the master, oldest first."""
        return sorted(list_children(self.master_pid))

    def kill_worker(self) -> int:
        """Kill the oldest worker with SIGKILL, and return its pid."""
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill(self) -> None:
        """Kill the master and all workers at the same time."""
        with suppress(ProcessLookupError):
            os.killpg(self.master_pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, *, seconds: float = 60) -> int:
        """Send SIGTERM, wait until the server has stopped, and return its exit code."""
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
        """Connect without a request, and return whether a worker closes the connection.

        The app does not notice this. A server that fails to start resets the connection instead.
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
    """Return the pids of a process's children; none if it has ended."""
    if Path("/proc/self/task").exists():
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []  # the process has ended
        return [int(child) for child in children.split()]
    # macOS has no /proc, and a slim container has no pgrep.
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(child) for child in found.stdout.split()]
