"""``flask-chest`` with a database server, and its dashboard in a real process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from flask_chest.cli.standalone import main

from ..servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server


def test_postgresql() -> None:
    """A wrong password, an unknown database and an empty one: one sentence without the password."""
    with PostgreSQL() as server:
        wrong = server.url.replace("secret", "mistaken")
        for url, reason in (
            (wrong, "password authentication failed"),
            (f"{server.url}es", "does not exist; create this database"),
            (server.url, "the file or its table does not exist"),
        ):
            result = CliRunner().invoke(main, ["--chest", url, "stats"])
            assert result.exit_code == 1
            assert len(result.stderr.splitlines()) == 1
            assert reason in result.stderr
            assert not re.search("secret|mistaken", result.stderr)
        with psycopg.connect(server.url) as connection:
            tables = "SELECT 1 FROM pg_tables WHERE tablename LIKE 'chest%'"
            assert connection.execute(tables).fetchall() == []


def test_the_dashboard(stored: Path) -> None:
    """Serves this machine only, changes nothing, and ends with Ctrl-C."""
    before = stored.read_bytes()
    command = [sys.executable, "-m", "flask_chest", "--chest", f"sqlite:///{stored}"]
    with subprocess.Popen(
        [*command, "dashboard", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/chest/", process.stdout.readline())
        assert found is not None
        for page in ("?range=all", "requests?since=2026-11-20&until=2026-11-21", "health"):
            with urllib.request.urlopen(found[0] + page, timeout=60) as answer:
                assert answer.status == 200
                assert b"no records have been stored" not in answer.read()
        foreign = urllib.request.Request(found[0], headers={"Host": "attacker.example"})
        with pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(foreign, timeout=60)
        assert failure.value.code == 403
        failure.value.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    assert stored.read_bytes() == before
