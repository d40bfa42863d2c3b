"""The servers that tests start: they come, they can be hurt, they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.waiting import wait_until

from .gunicorn import gunicorn
from .process import ServerProcess
from .uwsgi import uwsgi

pytestmark = [
    pytest.mark.server,
    pytest.mark.parametrize("serve", [gunicorn, uwsgi], ids=["gunicorn", "uwsgi"]),
]

Serve = Callable[..., ServerProcess]
HELLO = "tests.servers.apps.hello:app"


def test_a_worker_answers(serve: Serve, tmp_path: Path) -> None:
    """Every answer comes from one of the workers, and it stops in good order."""
    with serve(HELLO, tmp_path, workers=2, threads=2) as server:
        pids = server.worker_pids()
        assert len(pids) == 2
        assert int(requests.get(server.url, timeout=60).text) in pids
        assert server.stop() == 0


def test_a_killed_worker_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """The master starts a new one, which answers."""
    with serve(HELLO, tmp_path) as server:
        killed = server.kill_worker()
        # The master looks after its children now and then.
        wait_until(lambda: set(server.worker_pids()) - {killed}, lambda: server.log)
        assert int(requests.get(server.url, timeout=60).text) in server.worker_pids()


def test_an_app_that_does_not_load_is_told_with_the_log(serve: Serve, tmp_path: Path) -> None:
    """Who starts a broken app reads the import error, not a timeout."""
    with pytest.raises(AssertionError, match="No module named"):
        serve("tests.servers.missing_app:app", tmp_path).__enter__()
