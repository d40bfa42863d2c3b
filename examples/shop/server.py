"""Serves the shop with gunicorn."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests


class ServerError(Exception):
    """The server did not start or did not stop."""


@contextmanager
def serve(instance: Path, *, workers: int = 2) -> Iterator[str]:
    """Serve the shop on a free loopback port and yield its URL; shut it down at the end."""
    log = instance / "gunicorn.log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("w") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "gunicorn", f"--workers={workers}"]
        command += ["--no-control-socket"]  # It would be created in the home directory.
        # gunicorn inherits the open socket, so no other program can take the port.
        command += [
            f"--bind=fd://{listener.fileno()}",
            f"examples.shop:create_app({str(instance)!r})",
        ]
        process = subprocess.Popen(
            command, stdout=output, stderr=output, pass_fds=[listener.fileno()]
        )
    try:
        wait_until_healthy(url, log)
        yield url
    finally:
        stop(process)


def wait_until_healthy(url: str, log: Path, seconds: float = 30) -> None:
    """Send one request: the socket already listens, and is closed if gunicorn fails."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # Never use a proxy for loopback.
            session.get(f"{url}/healthz", timeout=seconds).raise_for_status()
    except requests.RequestException as error:
        raise ServerError(f"gunicorn does not answer, see {log}:\n{log.read_text()}") from error


def stop(process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ServerError(f"gunicorn did not stop within {seconds} s") from None
