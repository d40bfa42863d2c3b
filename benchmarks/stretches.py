"""Stretches of requests to apps in processes of their own: ``Workers`` asks, ``serve`` answers.

In processes of their own, since some rivals patch Flask for all who share theirs, and since the
luck of where things lie in memory, worth a microsecond or two, is that of a process: it is drawn
anew with each generation of workers.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any, NamedTuple

from . import apps

_WARM_UP = 300
_WARM_AGAIN = 5
_ROOT = Path(__file__).parents[1]
_SERVE = "from benchmarks.stretches import serve; serve(sys.argv[1:])"


class Cost(NamedTuple):
    """Microseconds of one request."""

    #: CPU of the thread that serves it: what a request pays, whatever else the machine does.
    cpu: float
    wall: float
    #: CPU of all threads of the process.
    all_cpu: float


class Worker:
    """A process that serves apps to us.

    :param names: functions of ``benchmarks.apps``; each as ``name`` or ``name:variables``.
    :param python: the interpreter, where it is another environment's.
    """

    def __init__(self, names: Sequence[str], python: str = sys.executable) -> None:
        self.names = names
        # Last on the path, since another environment may have another Flask-Chest; and elsewhere.
        code = f"import sys; sys.path.append({str(_ROOT)!r})\n{_SERVE}"
        command = [python, "-c", code, *names]
        pipe = subprocess.PIPE
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - for as long as the process
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._said, text=True, cwd=os.sep
        )

    def why_not(self) -> str | None:
        """Why it cannot serve; ``None`` once it can."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() == "ready\n":
            return None
        self._said.seek(0)
        return self._said.read().strip().rpartition("\n")[2] or "it ended"

    def ask(self, name: str, requests: int) -> Cost:
        """What a request to an app cost, over a stretch of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, requests]) + "\n")
        self._process.stdin.flush()
        return Cost(*json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        """End it, without what its apps would do at exit."""
        self._process.communicate()
        self._said.close()


def call(app: Callable[..., Any], environ: Mapping[str, Any]) -> None:
    """One request, as a server would make it."""
    drain(app(dict(environ), start_response))


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """A server's, without the server."""


def drain(body: Iterable[bytes]) -> None:
    """Send a body nowhere."""
    for _ in body:
        pass
    close = getattr(body, "close", None)
    if close is not None:
        close()


def serve(names: Sequence[str]) -> None:
    """Make apps, and answer ``[name, requests]`` with the costs of such a stretch."""
    # Some rivals print; what they say is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as root:
        made = {name: _dressed(name, Path(root)) for name in names}
        for app in made.values():
            _stretch(app, _WARM_UP)
        gc.collect()
        # What lies in memory for the measurement only: nobody shall pay for looking through it.
        gc.freeze()
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            name, requests = json.loads(line)
            _stretch(made[name], _WARM_AGAIN)
            print(json.dumps(_stretch(made[name], requests)), file=answers, flush=True)
    os._exit(0)


def _dressed(name: str, root: Path) -> Callable[..., Any]:
    dress, _, variables = name.partition(":")
    folder = root / name.replace(":", "-")
    folder.mkdir()
    app = getattr(apps, dress)(folder)
    if variables:
        apps.put_on_g(app, int(variables))
    return app  # type: ignore[no-any-return]


def _stretch(app: Callable[..., Any], requests: int) -> Cost:
    environs = [dict(apps.ENVIRON) for _ in range(requests)]
    began = thread_time_ns(), perf_counter_ns(), process_time_ns()
    for environ in environs:
        drain(app(environ, start_response))
    ended = thread_time_ns(), perf_counter_ns(), process_time_ns()
    return Cost(*((end - start) / requests / 1000 for start, end in zip(began, ended, strict=True)))
