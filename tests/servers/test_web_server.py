"""The test web servers start, survive a killed worker, and stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.waiting import wait_until

from .gunicorn import gunicorn
from .uwsgi import uwsgi
from .web_server import WebServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.parametrize("serve", [gunicorn, uwsgi], ids=["gunicorn", "uwsgi"]),
]

Serve = Callable[..., WebServer]
HELLO = "tests.servers.apps.hello:app"


def test_a_worker_answers(serve: Serve, tmp_path: Path) -> None:
    """A worker answers the request, and the server stops with exit code 0."""
    with serve(HELLO, tmp_path, workers=2, threads=2) as server:
        pids = server.worker_pids()
        assert len(pids) == 2
        assert int(requests.get(server.url, timeout=60).text) in pids
        assert server.stop() == 0


def test_a_killed_worker_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """The master starts a new worker, which answers."""
    with serve(HELLO, tmp_path) as server:
        killed = server.kill_worker()
        # The master checks its children from time to time.
        wait_until(lambda: set(server.worker_pids()) - {killed}, lambda: server.log)
        assert int(requests.get(server.url, timeout=60).text) in server.worker_pids()


def test_an_app_that_fails_to_load_shows_the_log(serve: Serve, tmp_path: Path) -> None:
    """The error of a broken app contains its import error, not only a timeout."""
    with pytest.raises(AssertionError, match="No module named"):
        serve("tests.servers.missing_app:app", tmp_path).__enter__()
