"""uWSGI, serving an app of the tests."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import ROOT

from .missing import lack
from .process import ServerProcess

BINARY = Path(sys.prefix, "bin", "uwsgi")


def uwsgi(
    app: str,
    folder: Path,
    *,
    workers: int = 1,
    threads: int = 1,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> ServerProcess:
    """Serve an app with prefork: it is loaded in the master, then the workers are forked.

    :param app: ``"module:name"``, looked up from the root of the repository.
    :param folder: where its log goes.
    :param options: more of uWSGI's, e.g. ``["--lazy-apps"]``.
    :param env: variables over those of this process.
    """
    if not BINARY.exists():
        lack("uWSGI")
    command = [
        str(BINARY),
        "--http-socket=127.0.0.1:0",
        f"--processes={workers}",
        f"--threads={threads}",
        "--master",
        "--enable-threads",
        "--single-interpreter",
        "--need-app",
        "--die-on-term",
        # A worker with threads may miss the end; the master then waits for it, by default a minute.
        "--reload-mercy=10",
        "--worker-reload-mercy=10",
        f"--home={sys.prefix}",
        f"--pythonpath={ROOT}",
        f"--wsgi={app}",
        *options,
    ]
    return ServerProcess(command, workers=workers, log=folder / "uwsgi.log", env=env or {})
