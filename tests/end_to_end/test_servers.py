"""The main job under real servers: every answered request is one row, whoever answered it."""

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
# By hand with twenty and more: it is the same line.
SECONDS = 4
ROWS = "select count(*), count(distinct id) from chest_records where route = '/'"


def ask(server: WebServer, path: str = "/") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between this machine and itself
        return session.get(server.url + path, timeout=60)


def ask_all_workers(server: WebServer, workers: int) -> Counter[str]:
    """Make requests, several at once, until every worker has answered some."""
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
    """Wait until a query gives what is wanted: another process delivers in its own time."""

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
    """While the server runs, each worker's records arrive, one for each of its answers."""
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
        """What it prints at its end."""
        output, _ = self.process.communicate(timeout=300)
        return output


def answered(server: WebServer) -> int:
    """Requests that gunicorn says it has answered."""
    return len(re.findall(r'"GET / HTTP/1\.1" 200 ', server.log))


ACCESS_LOG = ["--access-logfile=-"]


@pytest.mark.parametrize(
    "options", [[], ["--preload"], ["--threads=4"]], ids=["sync", "preload", "gthread"]
)
def test_rows_are_answers_at_full_speed(options: list[str], tmp_path: Path) -> None:
    """Under wrk there are as many rows as answers, each variable as often as the views set it."""
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
    assert select(instance, numbers) == [(rows,)], "nothing twice under another id"


def deliver_the_rest(folder: Path) -> None:
    """Start a server on the same folder until it has delivered what others left."""
    with gunicorn(APP, folder, env=environment(folder)) as server:
        ask(server, "/log")  # the first record starts delivery
        # Of its own requests the last one may still wait.
        wait_until(
            lambda: ask(server, "/stats").json()["sqlite"]["pending"] <= 1, lambda: server.log
        )
        server.stop()


def test_sigterm_while_serving(tmp_path: Path) -> None:
    """What was answered before SIGTERM and not delivered is delivered after the next start."""
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
    """What Flask-Chest has logged, which is on stderr where an app sets up no logging."""
    lines = server.log.splitlines()
    return [line for line in lines if re.search(r"record|chest '", line) and "[INFO]" not in line]


def test_a_read_only_instance_folder(tmp_path: Path) -> None:
    """The app serves; what is lost is counted, and logged once by each worker."""
    instance = tmp_path / "instance"
    instance.mkdir()
    # Root writes where it may not, unless that right of its is taken away.
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
        told = warnings(server)
    assert len(told) == 2, told
    assert all("is lost: [Errno 13]" in line and "CHEST_JOURNAL_DIR" in line for line in told)
    assert list(instance.iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    """The app serves; what is lost is counted and logged once, and with room it goes on."""
    with gunicorn(APP, tmp_path, env=environment(tmp_path)) as server:
        ask(server)
        wait_for_rows(tmp_path / "instance", "select count(*) from chest_records", [(1,)])
        ask(server, "/full")
        for _ in range(20):
            assert ask(server).status_code == 200
        account = ask(server, "/stats").json()["sqlite"]
        assert account["lost"] == {"journal": 21}, "those and the request that took the room away"
        ask(server, "/room")
        assert ask(server).status_code == 200
        # The requests for stats and for room have told of themselves when there was, or was none.
        rows = "select count(*) from chest_records where route = '/'"
        wait_for_rows(tmp_path / "instance", rows, [(2,)])
        account = ask(server, "/stats").json()["sqlite"]
        assert account["captured"] - account["delivered"] - account["pending"] == 22
        told = [line for line in ask(server, "/log").json() if "lost" in line]
    assert len(told) == 1
    assert "is lost: [Errno 27] File too large; make that writable, with room" in told[0]


def test_a_driver_that_is_missing(tmp_path: Path) -> None:
    """A chest whose driver cannot be imported keeps its records waiting; the others get theirs."""
    env = environment(tmp_path, NEEDS_DRIVER=True)
    with gunicorn(APP, tmp_path, workers=2, env=env) as server:
        answers = ask_all_workers(server, 2)
        total = answers.total()
        wait_for_rows(tmp_path / "instance", "select count(*) from chest_records", [(total,)])
        account = ask(server, "/stats").json()["needs-driver"]
        assert (account["captured"], account["pending"], account["delivered"]) == (total, total, 0)
        told = [line for line in warnings(server) if "driver_that_is_not_there" in line]
        assert server.stop() == 0
    assert len(told) == 2, "once in each worker"
    assert "chest 'needs-driver': delivery failed, its records wait" in told[0]
