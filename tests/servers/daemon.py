"""Base of all test databases: a process on a free port of loopback, with a temporary folder."""

from __future__ import annotations

import os
import pwd
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from .web_server import list_children

# Independent of the seeds that tests set.
_CHANCE = random.SystemRandom()


class Daemon(ABC):
    """A server that runs inside a ``with`` block; there it can be stopped, started and paused.

    Its folder is below ``/tmp``: Unix sockets need a short path, and the server needs access.
    """

    #: The user for the server if the tests run as root; for servers that refuse to run as root.
    user: str | None = None

    def __init__(self) -> None:
        self.folder = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that starts the server in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server answers; may raise any error while it does not."""

    def prepare(self) -> None:  # noqa: B027, most servers need nothing
        """Make the server's files before the first start."""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="chest-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        try:
            self._give_to_user(self.folder)
            self.prepare()
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clean_up()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user(),
                group=self._group(),
                extra_groups=[] if self._user() else None,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Kill the server, as a crash would, and wait until its processes have ended."""
        process, self._process = self._process, None
        if process is None:
            return
        with ExitStack() as stack:
            # PostgreSQL's children are not in its process group, and may answer a little longer.
            children = [_open(stack, pid) for pid in list_children(process.pid)]
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for child in filter(None, children):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child, signal.SIGKILL)
                select.select([child], [], [])

    def pause(self) -> None:
        """Stop answering, with all connections left open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def run(self, *command: str) -> None:
        """Run a command as the server's user."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            user=self._user(),
            group=self._group(),
            extra_groups=[] if self._user() else None,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the server and its children have used."""
        assert self._process is not None, "not started"
        return sum(_cpu_of(pid) for pid in (self._process.pid, *list_children(self._process.pid)))

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def copy_to_folder(self, files: Iterable[Path], mode: int = 0o600) -> None:
        """Copy files such as certificates to the server's folder, readable by its user."""
        for file in files:
            copy = self.folder / file.name
            copy.write_bytes(file.read_bytes())
            copy.chmod(mode)
            self._give_to_user(copy)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        # Not the process group: each child of PostgreSQL has its own.
        for pid in (self._process.pid, *list_children(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _clean_up(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _user(self) -> str | None:
        return self.user if os.geteuid() == 0 else None

    def _group(self) -> int | None:
        user = self._user()
        return None if user is None else pwd.getpwnam(user).pw_gid

    def _give_to_user(self, path: Path) -> None:
        if user := self._user():
            shutil.chown(path, user)

    def _wait_until_ready(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            # Any error of a driver means that the server is not ready yet.
            with suppress(Exception):
                if self.is_ready():
                    return
            time.sleep(0.05)
        log = self.log[-2000:]
        self.stop()
        raise AssertionError(f"{type(self).__name__} did not start:\n{log}")


def _cpu_of(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # the process has ended
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def _open(stack: ExitStack, pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def free_port() -> int:
    """Return a random free port of loopback.

    It is below the ports that the kernel gives to clients and to servers that bind port 0; see
    ``ip_local_port_range`` in https://docs.kernel.org/networking/ip-sysctl.html. It is random,
    because other test processes search for free ports at the same time.
    """
    while True:
        port = _CHANCE.randrange(10_000, 32_768)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
