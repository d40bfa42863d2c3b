"""Requests that fail under real servers: the record has the status that the client got."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from ..servers.gunicorn import gunicorn
from ..waiting import wait_until

pytestmark = pytest.mark.server

APP = "tests.servers.apps.failing:create_app()"
PATHS = ("/stream/0", "/stream/1", "/teardown", "/secret/x", "/open/y")


def answered(url: str) -> int | None:
    """Return the status that a client gets, if any."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy for requests to this machine
        with suppress(requests.ConnectionError), session.get(url, timeout=60, stream=True) as got:
            return got.status_code
    return None


def rows(instance: Path) -> list[Any]:
    with closing(sqlite3.connect(instance / "chest.db")) as base:
        try:
            sql = "select route, status, error from chest_records order by id"
            return base.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []  # the table does not exist yet


def wait_for_rows(instance: Path, count: int) -> None:
    wait_until(lambda: len(rows(instance)) >= count, lambda: str(rows(instance)))


@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn(worker: str, tmp_path: Path) -> None:
    """A stream, a teardown function and a timeout, with each kind of worker."""
    options = [f"--worker-class={worker}"]
    environment = {"INSTANCE": str(tmp_path)}
    with gunicorn(APP, tmp_path, options=options, env=environment) as server:
        got = [answered(server.url + path) for path in PATHS]
        assert got[:3] == [500, 200, 500]
        wait_for_rows(tmp_path, 4)
        # Each record of the next request is later: the secret one was not merely slow.
        answered(server.url + "/teardown")
        wait_for_rows(tmp_path, 5)
    found = rows(tmp_path)
    assert found == [
        ("/stream/<int:chunks>", 500, "LookupError"),
        ("/stream/<int:chunks>", 200, "LookupError"),
        ("/teardown", 500, "LookupError"),
        ("/<any(open, secret):kind>/<word>", None, "tests.servers.apps.failing.TimeUpError"),
        ("/teardown", 500, "LookupError"),
    ]
