"""Workers are killed and stores fail under load: no answered request is lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.servers.gunicorn import gunicorn
from tests.servers.web_server import WebServer
from tests.waiting import wait_until

from .app import environment
from .load import Load, put
from .oracle import Oracle
from .store import WEATHERS, FaultyStore

KILLS = int(os.environ.get("TORTURE_KILLS", "6"))
SEED = int(os.environ.get("TORTURE_SEED", "4"))
APP = "tests.torture.app:create_app()"


@pytest.mark.server
def test_answered_requests_are_stored_in_spite_of_kills_and_failures(tmp_path: Path) -> None:
    """Each answered request is in both stores once, intact; a later request is delivered."""
    chance = random.Random(SEED)
    with FaultyStore() as store:
        env = environment(
            tmp_path,
            CHEST_CHESTS=["sqlite:///chest.db", {"url": store.url, "name": "web"}],
            CHEST_EXPORT_TIMEOUT=1,
            CHEST_BATCH_SIZE=50,
        )
        oracle = Oracle(tmp_path, store)
        with gunicorn(APP, tmp_path, workers=2, threads=4, env=env) as server:
            with Load(server.port, f"seed{SEED}") as load:
                for _ in range(KILLS):
                    store.weather = chance.choice(WEATHERS)
                    # Killing a worker that still starts would test nothing.
                    load.wait_for(chance.randint(1, 150))
                    hurt(server, tmp_path, chance)
                    store.weather = chance.choice([store.weather, "fine"])
            store.weather = "fine"
            # Workers that started after the last kill deliver only after their first request.
            assert put(server.port, "fresh")
            oracle.wait_until_delivered()
        oracle.check([*load.answered, "fresh"])
        # A folder with a hidden name was being removed when its process was killed.
        assert not list((tmp_path / "chest-journal").glob("[!.]*/*.segment"))
    print(  # noqa: T201 - the numbers of a long run
        f"{KILLS} kills, {load.sent} requests, {len(load.answered)} answered, "
        f"{len(store.records)} stored, {len(store.seen) - len(store.records)} sent again, "
        f"{oracle.describe()}"
    )


def hurt(server: WebServer, folder: Path, chance: random.Random) -> None:
    """Kill one or all workers, perhaps while the database is locked."""
    if chance.random() < 0.7 or not (folder / "chest.db").exists():
        kill(server, chance)
        return
    with closing(sqlite3.connect(folder / "chest.db", timeout=10)) as database:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(chance.uniform(0, 1.5))  # not a wait: the duration of the lock is what is tested
        kill(server, chance)
        database.rollback()


def kill(server: WebServer, chance: random.Random) -> None:
    wait_until(server.worker_pids, lambda: server.log)
    pids = server.worker_pids()
    for pid in chance.choice([pids, pids[:1], pids[-1:]]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
