"""Flask-Chest under real WSGI servers: every answered request is one row, from any worker."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from ..servers.gunicorn import gunicorn
from ..servers.programs import find_program
from ..servers.uwsgi import uwsgi
from ..servers.web_server import WebServer
from ..waiting import wait_until

pytestmark = pytest.mark.server

APP = "tests.servers.apps.counting:create_app()"
# Twenty and more take longer and test the same code; set the number by hand.
SECONDS = 4
ROWS = "select count(*), count(distinct id) from chest_records where route = '/'"


def ask(server: WebServer, path: str = "/") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # no proxy for requests to this machine
        return session.get(server.url + path, timeout=60)


def ask_all_workers(server: WebServer, workers: int) -> Counter[str]:
    """Send requests, several at once, until every worker has answered some."""
    answers: Counter[str] = Counter()
    deadline = time.monotonic() + 120
    with ThreadPoolExecutor(8) as pool:
        while len(answers) < workers or min(answers.values()) < 5:
            assert time.monotonic() < deadline, answers
            answers.update(each.text for each in pool.map(lambda _: ask(server), range(16)))
    return answers


def select(instance: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(f"{(instance / 'chest.db').as_uri()}?mode=ro", uri=True)) as base:
        return base.execute(sql).fetchall()


def wait_for_rows(instance: Path, sql: str, wanted: object) -> None:
    """Wait until a query returns the expected rows; another process delivers them."""

    def found() -> object:
        try:
            return select(instance, sql)
        except sqlite3.OperationalError as error:
            return error

    wait_until(lambda: found() == wanted, lambda: f"{found()} is not {wanted}")


def environment(folder: Path, **settings: object) -> dict[str, str]:
    (folder / "tallies").mkdir(exist_ok=True)
    return {
        "INSTANCE": str(folder / "instance"),
        "TALLIES": str(folder / "tallies"),
        **{f"FLASK_{name}": json.dumps(value) for name, value in settings.items()},
    }


Serve = Callable[..., WebServer]


@pytest.mark.parametrize(
    ("serve", "threads", "options"),
    [
        pytest.param(gunicorn, 1, [], id="gunicorn-sync"),
        pytest.param(gunicorn, 4, [], id="gunicorn-gthread"),
        pytest.param(gunicorn, 1, ["--preload"], id="gunicorn-sync-preload"),
        pytest.param(gunicorn, 4, ["--preload"], id="gunicorn-gthread-preload"),
        pytest.param(uwsgi, 1, [], id="uwsgi-prefork"),
        pytest.param(uwsgi, 4, [], id="uwsgi-prefork-threads"),
        pytest.param(uwsgi, 1, ["--lazy-apps"], id="uwsgi-lazy-apps"),
    ],
)
def test_every_worker_delivers(
    serve: Serve, threads: int, options: Sequence[str], tmp_path: Path
) -> None:
    """While the server runs, each worker delivers one record per answer."""
    app = APP
    server = serve(
        app, tmp_path, workers=2, threads=threads, options=options, env=environment(tmp_path)
    )
    with server:
        answers = ask_all_workers(server, 2)
        by_worker = "select json_extract(vars, '$.pid') as pid, count(*) from chest_records"
        by_worker += " group by pid order by pid"
        wanted = sorted((int(pid), number) for pid, number in answers.items())
        wait_for_rows(tmp_path / "instance", by_worker, wanted)
        assert server.stop() == 0
    assert "Traceback" not in server.log
    assert select(tmp_path / "instance", by_worker) == wanted


class Load:
    """``wrk`` at full speed against a server.

    :param server: a server that writes an access log.
    """

    def __init__(self, server: WebServer, seconds: float) -> None:
        program = find_program("wrk", "wrk")
        command = [program, "-t2", "-c16", f"-d{seconds}s", server.url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait(self) -> str:
        """Return the output of ``wrk`` when it ends."""
        output, _ = self.process.communicate(timeout=300)
        return output


def answered(server: WebServer) -> int:
    """Return the number of requests in gunicorn's access log."""
    return len(re.findall(r'"GET / HTTP/1\.1" 200 ', server.log))


ACCESS_LOG = ["--access-logfile=-"]


@pytest.mark.parametrize(
    "options", [[], ["--preload"], ["--threads=4"]], ids=["sync", "preload", "gthread"]
)
def test_rows_are_answers_at_full_speed(options: list[str], tmp_path: Path) -> None:
    """Under ``wrk`` the number of rows equals the number of answers, with all variables."""
    instance = tmp_path / "instance"
    env = environment(tmp_path)
    server = gunicorn(APP, tmp_path, workers=2, options=[*ACCESS_LOG, *options], env=env)
    with server:
        counted = re.search(r"(\d+) requests in", Load(server, SECONDS).wait())
        server.stop()
    rows = answered(server)
    assert counted is not None
    assert rows >= int(counted[1]) > 100
    deliver_the_rest(tmp_path)
    assert select(instance, ROWS) == [(rows, rows)]
    tallies = (Counter(json.loads(p.read_text())) for p in (tmp_path / "tallies").iterdir())
    set_by_views = sum(tallies, Counter[str]())
    assert set_by_views["number"] == rows
    by_name = "select name, count(*) from chest_vars group by name"
    assert dict(select(instance, by_name)) == dict(set_by_views)
    numbers = "select count(distinct json_extract(vars, '$.pid') || ' ' || "
    numbers += "json_extract(vars, '$.number')) from chest_records where route = '/'"
    assert select(instance, numbers) == [(rows,)], "no duplicates under another id"


def deliver_the_rest(folder: Path) -> None:
    """Run a server on the same folder until it has delivered the records of earlier processes."""
    with gunicorn(APP, folder, env=environment(folder)) as server:
        ask(server, "/log")  # the first record starts delivery
        # The last of this server's own requests may still be waiting.
        wait_until(
            lambda: ask(server, "/stats").json()["sqlite"]["pending"] <= 1, lambda: server.log
        )
        server.stop()


def test_sigterm_while_serving(tmp_path: Path) -> None:
    """Requests answered before SIGTERM are delivered, some of them after the next start."""
    settings = {"CHEST_EXPORT_INTERVAL": 3600, "CHEST_SHUTDOWN_TIMEOUT": 0}
    settings["CHEST_BATCH_SIZE"] = 10**9
    env = environment(tmp_path, **settings)
    server = gunicorn(APP, tmp_path, workers=2, options=ACCESS_LOG, env=env)
    with server:
        load = Load(server, 2)
        wait_until(lambda: answered(server) >= 500, lambda: server.log)
        os.kill(server.master_pid, signal.SIGTERM)
        load.wait()
        server.stop()
    rows = answered(server)
    assert rows >= 500
    deliver_the_rest(tmp_path)
    assert select(tmp_path / "instance", ROWS) == [(rows, rows)]


def warnings(server: WebServer) -> list[str]:
    """Return the warnings of Flask-Chest; without logging config they go to stderr."""
    lines = server.log.splitlines()
    return [line for line in lines if re.search(r"record|chest '", line) and "[INFO]" not in line]


def test_a_read_only_instance_folder(tmp_path: Path) -> None:
    """The app serves; lost records are counted, and each worker logs one warning."""
    instance = tmp_path / "instance"
    instance.mkdir()
    # Root may write everywhere, unless the server drops that capability.
    rights = "-dac_override,-dac_read_search"
    under = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    if os.geteuid() != 0:
        under = []
    instance.chmod(0o555)
    with gunicorn(APP, tmp_path, workers=2, under=under, env=environment(tmp_path)) as server:
        answers = ask_all_workers(server, 2)
        stats = ask(server, "/stats").json()
        account = stats["sqlite"]
        assert account["lost"] == {"journal": answers[str(stats["pid"])]}
        assert account["captured"] == account["lost"]["journal"]
        lines = warnings(server)
    assert len(lines) == 2, lines
    assert all("is lost: [Errno 13]" in line and "CHEST_JOURNAL_DIR" in line for line in lines)
    assert list(instance.iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    """The app serves; lost records are counted and logged once, until space is free again."""
    with gunicorn(APP, tmp_path, env=environment(tmp_path)) as server:
        ask(server)
        wait_for_rows(tmp_path / "instance", "select count(*) from chest_records", [(1,)])
        ask(server, "/full")
        for _ in range(20):
            assert ask(server).status_code == 200
        account = ask(server, "/stats").json()["sqlite"]
        assert account["lost"] == {"journal": 21}, "these and the request that fills the disk"
        ask(server, "/room")
        assert ask(server).status_code == 200
        # The requests for stats and for free space are recorded too.
        rows = "select count(*) from chest_records where route = '/'"
        wait_for_rows(tmp_path / "instance", rows, [(2,)])
        account = ask(server, "/stats").json()["sqlite"]
        assert account["captured"] - account["delivered"] - account["pending"] == 22
        lines = [line for line in ask(server, "/log").json() if "lost" in line]
    assert len(lines) == 1
    assert "is lost: [Errno 27] File too large; make that writable, with free space" in lines[0]


def test_a_driver_that_is_missing(tmp_path: Path) -> None:
    """A chest whose driver is missing keeps its records waiting; the other chests get theirs."""
    env = environment(tmp_path, NEEDS_DRIVER=True)
    with gunicorn(APP, tmp_path, workers=2, env=env) as server:
        answers = ask_all_workers(server, 2)
        total = answers.total()
        wait_for_rows(tmp_path / "instance", "select count(*) from chest_records", [(total,)])
        account = ask(server, "/stats").json()["needs-driver"]
        assert (account["captured"], account["pending"], account["delivered"]) == (total, total, 0)
        lines = [line for line in warnings(server) if "driver_that_is_not_there" in line]
        assert server.stop() == 0
    assert len(lines) == 2, "once in each worker"
    assert "chest 'needs-driver': delivery failed, its records wait" in lines[0]
