"""Measures requests to apps in separate processes: ``Worker`` asks, ``serve`` answers.

Some alternatives patch Flask for their whole process. And the memory layout of a process is random,
which can cost or save a microsecond or two: each generation of workers gets a new one.
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
_SERVE = "from benchmarks.workers import serve; serve(sys.argv[1:])"


class Cost(NamedTuple):
    """Cost of one request in microseconds."""

    #: CPU time of the serving thread; other work on the machine does not affect it.
    cpu: float
    wall: float
    #: CPU time of all threads of the process.
    all_cpu: float


class Worker:
    """A process that serves apps.

    :param names: functions of ``benchmarks.apps``; each as ``name`` or ``name:variables``.
    :param python: the interpreter of another environment; default: this one.
    """

    def __init__(self, names: Sequence[str], python: str = sys.executable) -> None:
        self.names = names
        # At the end of the path, since another environment may have another version of Flask-Chest.
        code = f"import sys; sys.path.append({str(_ROOT)!r})\n{_SERVE}"
        command = [python, "-c", code, *names]
        pipe = subprocess.PIPE
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - for as long as the process
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._said, text=True, cwd=os.sep
        )

    def why_not(self) -> str | None:
        """The reason why the worker cannot serve; ``None`` when it is ready."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() == "ready\n":
            return None
        self._said.seek(0)
        return self._said.read().strip().rpartition("\n")[2] or "it ended"

    def ask(self, name: str, requests: int) -> Cost:
        """Return the mean cost of some requests to an app."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, requests]) + "\n")
        self._process.stdin.flush()
        return Cost(*json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        """Kill the process, without the exit handlers of its apps."""
        self._process.communicate()
        self._said.close()


def call(app: Callable[..., Any], environ: Mapping[str, Any]) -> None:
    """Send one request, as a server would."""
    drain(app(dict(environ), start_response))


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """A ``start_response`` that does nothing."""


def drain(body: Iterable[bytes]) -> None:
    """Consume a body."""
    for _ in body:
        pass
    close = getattr(body, "close", None)
    if close is not None:
        close()


def serve(names: Sequence[str]) -> None:
    """Make apps, and answer each ``[name, requests]`` with the cost of these requests."""
    # Some alternatives print, which must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as root:
        made = {name: _make_variant(name, Path(root)) for name in names}
        for app in made.values():
            _stretch(app, _WARM_UP)
        gc.collect()
        # The garbage collector must not scan objects that exist only for the measurement.
        gc.freeze()
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            name, requests = json.loads(line)
            _stretch(made[name], _WARM_AGAIN)
            print(json.dumps(_stretch(made[name], requests)), file=answers, flush=True)
    os._exit(0)


def _make_variant(name: str, root: Path) -> Callable[..., Any]:
    variant, _, variables = name.partition(":")
    folder = root / name.replace(":", "-")
    folder.mkdir()
    app = getattr(apps, variant)(folder)
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
