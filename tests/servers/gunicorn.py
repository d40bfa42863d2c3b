"""gunicorn, serving an app of the tests."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .process import ServerProcess


def gunicorn(
    app: str,
    folder: Path,
    *,
    workers: int = 1,
    threads: int = 1,
    options: Sequence[str] = (),
    under: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> ServerProcess:
    """Serve an app: ``with gunicorn("tests.servers.apps.hello:app", folder) as server: ...``.

    :param app: ``"module:name"``, looked up from the root of the repository.
    :param folder: where its log goes.
    :param options: more of gunicorn's, e.g. ``["--preload"]``.
    :param under: a command that becomes gunicorn, with other rights.
    :param env: variables over those of this process.
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
    return ServerProcess(command, workers=workers, log=folder / "gunicorn.log", env=env or {})
