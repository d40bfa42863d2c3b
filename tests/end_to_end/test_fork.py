"""Servers fork at any moment, also while the parent writes, or for each request."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests import ROOT

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


SERVER = """
import os, sys
from flask import Flask, g
from flask_chest import FlaskChest
app = Flask("app", instance_path=sys.argv[1])
FlaskChest(app)
@app.get("/")
def view():
    g.pid = os.getpid()
    return str(g.pid)
app.run(port=0, threaded=False, processes=3)
"""


def test_a_server_that_forks_for_each_request(tmp_path: Path) -> None:
    """Each request has a process of its own; all records are delivered while the server runs."""
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        wait_until(lambda: "Running on" in log.read_text(), log.read_text)
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert found is not None
        answered: Counter[str] = Counter()
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(30):
                answered[session.get(found[0], timeout=60).text] += 1
        assert len(answered) == 30
        wait_until(
            lambda: stored_by_worker(tmp_path) == answered,
            lambda: f"{stored_by_worker(tmp_path)} of {answered}: {log.read_text()}",
            seconds=30,
        )
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text()
