"""A database server of the tests' own: on a free port of loopback, with a folder of its own."""

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
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

# Not the one that tests seed.
_CHANCE = random.SystemRandom()


class Daemon(ABC):
    """Starts on entering, stops on leaving; may be stopped, started and paused in between.

    Its folder lies below ``/tmp``, since sockets need a short path and another user must reach it.
    """

    #: The user it runs as when the tests run as root, for servers that refuse root.
    user: str | None = None

    def __init__(self) -> None:
        self.folder = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers; may raise ``OSError`` or the driver's error while it does not."""

    def prepare(self) -> None:  # noqa: B027, most need nothing
        """Make its files, once."""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="chest-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        try:
            self._own(self.folder)
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
        """Start it and return when it answers."""
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
        """End it at once, as a crash would, and return when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with ExitStack() as stack:
            # PostgreSQL's children are no part of its group, and may answer for a moment yet.
            children = [_open(stack, pid) for pid in _children(process.pid)]
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for child in filter(None, children):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child, signal.SIGKILL)
                select.select([child], [], [])

    def pause(self) -> None:
        """Let it fall silent: its connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def run(self, *command: str) -> None:
        """Run a tool of the server as the server's user."""
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
        """Seconds of processor time that it has taken, with children that are there or were."""
        assert self._process is not None, "not started"
        return sum(_cpu_of(pid) for pid in (self._process.pid, *_children(self._process.pid)))

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        # Not the process group: PostgreSQL's children each have one of their own.
        for pid in (self._process.pid, *_children(self._process.pid)):
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

    def _own(self, path: Path) -> None:
        if user := self._user():
            shutil.chown(path, user)

    def _wait_until_ready(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            # Whatever a driver raises while its server starts means "not yet".
            with suppress(Exception):
                if self.is_ready():
                    return
            time.sleep(0.05)
        log = self.log[-2000:]
        self.stop()
        raise AssertionError(f"{type(self).__name__} did not start:\n{log}")


def _children(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []  # it has ended
    return [int(child) for child in children]


def _cpu_of(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has ended
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def _open(stack: ExitStack, pid: int) -> int | None:
    """A descriptor that can be read when a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def free_port() -> int:
    """A port of loopback that nobody listens on, and that nobody is given who asks for any.

    Those begin above: https://docs.kernel.org/networking/ip-sysctl.html, ``ip_local_port_range``.
    By chance, since tests in other processes look for theirs, too.
    """
    while True:
        port = _CHANCE.randrange(10_000, 32_768)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
