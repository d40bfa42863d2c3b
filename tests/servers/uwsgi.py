"""uWSGI as a test server."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import ROOT

from .programs import skip_without
from .web_server import WebServer

BINARY = Path(sys.prefix, "bin", "uwsgi")


def uwsgi(
    app: str,
    folder: Path,
    *,
    workers: int = 1,
    threads: int = 1,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> WebServer:
    """Serve an app with prefork: the master loads the app and then forks the workers.

    :param app: ``"module:name"``, imported from the root of the repository.
    :param folder: the folder for the log.
    :param options: additional options, such as ``["--lazy-apps"]``.
    :param env: additional environment variables.
    """
    if not BINARY.exists():
        skip_without("uWSGI")
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
        # A worker with threads may miss the signal; by default the master waits a minute for it.
        "--reload-mercy=10",
        "--worker-reload-mercy=10",
        f"--home={sys.prefix}",
        f"--pythonpath={ROOT}",
        f"--wsgi={app}",
        *options,
    ]
    return WebServer(command, workers=workers, log=folder / "uwsgi.log", env=env or {})
