"""Servers shut down, reload and recycle workers while a store hangs: in time, without a loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import ROOT
from tests.servers.gunicorn import gunicorn
from tests.servers.uwsgi import uwsgi
from tests.servers.web_server import WebServer
from tests.waiting import wait_until

from .app import CONFIG, environment, make_torture_app
from .load import Load, put
from .oracle import Oracle
from .store import FaultyStore

APP = "tests.torture.app:create_app()"
TIMEOUT = 1.0
# Seconds that a call to the hanging store takes. A server that ends in half of that time did not
# wait for the call, and did not kill the worker, which it does after 30 seconds.
STUCK = 50

Serve = Callable[..., WebServer]


class Setting:
    """An app with SQLite and a store over HTTP, and its servers."""

    def __init__(self, folder: Path, store: FaultyStore) -> None:
        self.folder = folder
        self.store = store
        self.oracle = Oracle(folder, store)
        self.env = environment(
            folder,
            CHEST_CHESTS=["sqlite:///chest.db", {"url": store.url, "name": "web"}],
            CHEST_SHUTDOWN_TIMEOUT=TIMEOUT,
            CHEST_EXPORT_TIMEOUT=STUCK,
        )

    def serve(self, server: Serve) -> WebServer:
        return server(env=self.env, folder=self.folder)

    def check(self, server: Serve, answered: list[str]) -> None:
        """Check that the next process delivers the remaining records."""
        self.store.weather = "fine"
        with self.serve(server) as again:
            assert put(again.port, "next")
            self.oracle.wait_until_delivered()
        self.oracle.check([*answered, "next"])

    def check_in_process(self, answered: list[str]) -> None:
        """Do the same as :meth:`check`; this process is the next one."""
        app = make_torture_app(self.folder, **json.loads(self.env[CONFIG]))
        app.test_client().get("/put/next", headers={"X-Request-ID": "next"})
        self.oracle.wait_until_delivered()
        app.extensions["chest"].close()
        self.oracle.check([*answered, "next"])


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with FaultyStore() as store:
        yield Setting(tmp_path, store)


def _gunicorn(*options: str, threads: int = 1) -> Serve:
    return partial(gunicorn, APP, threads=threads, options=options)


def _uwsgi(*options: str) -> Serve:
    # The factory is called by each worker, or once by the master.
    return partial(uwsgi, APP, threads=2, options=options)


SERVERS = {
    "sync": _gunicorn(),
    "gthread": _gunicorn(threads=4),
    "gevent": _gunicorn("--worker-class=gevent"),
    "sync-preload": _gunicorn("--preload"),
    "gthread-preload": _gunicorn("--preload", threads=4),
    "gevent-preload": _gunicorn("--preload", "--worker-class=gevent"),
    "uwsgi": _uwsgi(),
    "uwsgi-lazy-apps": _uwsgi("--lazy-apps"),
}
ENDINGS = [
    ("sync", signal.SIGTERM),
    ("sync", signal.SIGQUIT),
    ("gthread", signal.SIGINT),
    ("gevent", signal.SIGTERM),
    ("sync-preload", signal.SIGTERM),
    ("gthread-preload", signal.SIGQUIT),
    ("gevent-preload", signal.SIGINT),
    ("uwsgi", signal.SIGTERM),
    ("uwsgi-lazy-apps", signal.SIGINT),
]


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "number"), ENDINGS, ids=[f"{name}-{number.name}" for name, number in ENDINGS]
)
def test_a_shutdown_while_a_store_hangs(
    setting: Setting, name: str, number: signal.Signals
) -> None:
    """The server ends within the timeout; the remaining records wait in the journal."""
    answered = [f"first-{each}" for each in range(20)]
    with setting.serve(SERVERS[name]) as server:
        setting.store.weather = "hangs"
        assert all(put(server.port, ident) for ident in answered)
        wait_until(
            lambda: len(setting.oracle.idents()["sqlite"]) == len(answered), setting.oracle.describe
        )
        os.kill(server.master_pid, number)
        server.process.wait(STUCK / 2)
    assert setting.oracle.account("web").captured == len(answered)
    setting.check(SERVERS[name], answered)


@pytest.mark.server
@pytest.mark.parametrize(
    ("options", "number"),
    [(("--max-requests=7",), None), ((), signal.SIGHUP)],
    ids=["max-requests", "reload"],
)
def test_workers_that_are_replaced_under_load(
    setting: Setting, options: tuple[str, ...], number: signal.Signals | None
) -> None:
    """Each answered request is stored once, also if workers are recycled or reloaded."""
    serve = _gunicorn(*options, threads=2)
    with setting.serve(serve) as server:
        with Load(server.port, "load") as load:
            for _ in range(3):
                load.wait_for(15)
                if number is not None:
                    os.kill(server.master_pid, number)
        setting.oracle.wait_until_delivered()
    setting.oracle.check(load.answered)


@pytest.mark.server
def test_a_worker_that_its_server_kills(setting: Setting) -> None:
    """The server kills a worker with a stuck request; the other requests are stored."""
    serve = _gunicorn("--timeout=1", threads=1)
    with setting.serve(serve) as server:
        setting.store.weather = "hangs"
        answered = [f"first-{each}" for each in range(5)]
        assert all(put(server.port, ident) for ident in answered)
        [worker] = server.worker_pids()
        assert not put(server.port, "stuck")
        wait_until(lambda: worker not in server.worker_pids(), lambda: server.log)
        setting.store.weather = "fine"
        wait_until(lambda: put(server.port, "fresh"), lambda: server.log)
        setting.oracle.wait_until_delivered()
    setting.oracle.check([*answered, "fresh"])


SCRIPT = """
import sys
from pathlib import Path
from tests.torture.app import create_app
client = create_app().test_client()
for number in range(20):
    assert client.get(f"/put/script-{number}", headers={"X-Request-ID": f"script-{number}"})
print("served", flush=True)
if sys.argv[1:] == ["wait"]:
    sys.stdin.read()
"""


@pytest.mark.server  # a whole process
def test_the_interpreter_ends_while_a_store_hangs(setting: Setting) -> None:
    """It ends in time without a traceback; from Python 3.12 on it cannot start a thread."""
    setting.store.weather = "hangs"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **setting.env, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "served\n"
        assert process.wait(STUCK / 2) == 0
        assert "Traceback" not in process.stdout.read()
    account = setting.oracle.account("web")
    assert (account.captured, account.pending) == (20, 20)
    setting.store.weather = "fine"
    setting.check_in_process([f"script-{number}" for number in range(20)])


def test_a_child_of_a_killed_worker_holds_no_lock(setting: Setting) -> None:
    """The records of a killed process can be adopted while its forked child lives."""
    script = SCRIPT + "\nimport os, signal\nif not os.fork(): signal.pause()\nsignal.pause()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **setting.env, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        setting.store.weather = "500"
        assert process.stdout is not None
        assert process.stdout.readline() == "served\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(children.read_text, lambda: "no child")
        process.kill()
        process.wait()
        setting.store.weather = "fine"
        journal = setting.folder / "chest-journal"
        try:
            wait_until(lambda: _adopted(setting, journal), setting.oracle.describe)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _adopted(setting: Setting, journal: Path) -> bool:
    from flask_chest.delivery.journal.app_scope import JournalScope
    from flask_chest.delivery.journal.dead_writer_adoption import Reads
    from flask_chest.delivery.journal.partition_assignment import Assignment

    scope = JournalScope(journal, "tortured", ("sqlite", "web"))
    assignment = Assignment(scope, lambda *_: None, Reads.OWN_AND_ORPHANED)
    assignment.rebalance(None)
    found = assignment.partitions()
    assignment.close()
    return bool(found)
