"""gunicorn as a test server."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .web_server import WebServer


def gunicorn(
    app: str,
    folder: Path,
    *,
    workers: int = 1,
    threads: int = 1,
    options: Sequence[str] = (),
    under: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> WebServer:
    """Serve an app: ``with gunicorn("tests.servers.apps.hello:app", folder) as server: ...``.

    :param app: ``"module:name"``, imported from the root of the repository.
    :param folder: the folder for the log.
    :param options: additional options, such as ``["--preload"]``.
    :param under: a command that executes gunicorn, for example with other privileges.
    :param env: additional environment variables.
    """
    command = [
        *under,
        sys.executable,
        "-m",
        "gunicorn",
        "--bind=127.0.0.1:0",
        f"--workers={workers}",
        f"--threads={threads}",
        "--no-control-socket",
        *options,
        app,
    ]
    return WebServer(command, workers=workers, log=folder / "gunicorn.log", env=env or {})
