"""Servers fork at any moment, also while the parent writes, or for each request."""

from __future__ import annotations

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ..servers.gunicorn import gunicorn
from ..waiting import wait_until
from .test_servers import ask

pytestmark = pytest.mark.server

WORKERS = 4


def stored_by_worker(instance: Path) -> Counter[str]:
    """Return the number of stored requests by the worker that answered."""
    uri = f"{(instance / 'chest.db').as_uri()}?mode=ro"
    sql = "SELECT json_extract(vars, '$.pid') FROM chest_records WHERE kind = 'request'"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            return Counter(str(pid) for (pid,) in database.execute(sql))
    except sqlite3.OperationalError:
        return Counter()


@pytest.mark.parametrize("start", range(3))
def test_a_fork_while_the_parent_writes(tmp_path: Path, start: int) -> None:
    """With ``--preload``, each worker delivers while it lives, whatever the master did."""
    env = {"INSTANCE": str(tmp_path / "instance")}
    app = "tests.servers.apps.preloading:create_app()"
    server = gunicorn(app, tmp_path, workers=WORKERS, options=["--preload"], env=env)
    answered: Counter[str] = Counter()
    with server, ThreadPoolExecutor(8) as pool:
        while len(answered) < WORKERS:
            answered.update(each.text for each in pool.map(lambda _: ask(server), range(16)))
        wait_until(
            lambda: stored_by_worker(tmp_path / "instance") == answered,
            lambda: f"{stored_by_worker(tmp_path / 'instance')} of {answered}: {server.log}",
            seconds=30,
        )
        server.stop()
    assert "locked" not in server.log
