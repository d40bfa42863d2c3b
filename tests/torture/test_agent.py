"""``flask chest agent`` delivers all records once; the web processes deliver none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import ROOT
from tests.waiting import wait_until

from .app import environment, make_torture_app, rescan
from .oracle import Oracle
from .processes import shim
from .store import FaultyStore

# Whole processes and large journals: too long for the fast tests.
pytestmark = pytest.mark.server


class Web:
    """A serving process that leaves delivery to an agent."""

    def __init__(self, folder: Path, store: FaultyStore, **config: object) -> None:
        self.config = {
            "CHEST_CHESTS": ["sqlite:///chest.db", {"url": store.url, "name": "web"}],
            "CHEST_EXPORTER": "agent",
            **config,
        }
        self.folder = folder
        self.app: Flask = make_torture_app(folder, **self.config)
        self.client: FlaskClient = self.app.test_client()
        self.sent: list[str] = []

    def send(self, count: int) -> None:
        for _ in range(count):
            ident = f"web-{len(self.sent)}"
            self.client.get(f"/put/{ident}", headers={"X-Request-ID": ident})
            self.sent.append(ident)

    @contextmanager
    def agent(self, **more: str) -> Iterator[subprocess.Popen[str]]:
        """Run an agent.

        :param more: further environment variables.
        """
        flask = [sys.executable, "-m", "flask", "--app", "tests.torture.app:create_app()"]
        with subprocess.Popen(
            [*flask, "chest", "agent"],
            cwd=ROOT,
            env={**os.environ, **environment(self.folder, **self.config), **more},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline().startswith("delivering ")
                yield process
            finally:
                process.kill()


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    with FaultyStore() as store:
        yield store


def test_an_agent_that_is_killed_and_restarted(tmp_path: Path, store: FaultyStore) -> None:
    """Without an agent no record is delivered; two agents in a row deliver each record once."""
    oracle = Oracle(tmp_path, store)
    web = Web(tmp_path, store)
    web.send(50)
    assert not web.app.extensions["chest"].flush(1)
    assert oracle.idents() == {"sqlite": [], "web": []}
    assert oracle.account("web").pending == 50
    with web.agent() as agent:
        wait_until(lambda: store.records, oracle.describe)
        web.send(50)
        agent.kill()
    web.send(50)
    with web.agent() as agent:
        oracle.wait_until_delivered()
        web.send(10)
        oracle.wait_until_delivered()
        assert web.app.extensions["chest"].flush(1)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0
    oracle.check(web.sent)
    web.app.extensions["chest"].close()
    oracle.check(web.sent)


def test_without_an_agent_the_oldest_records_are_dropped(
    tmp_path: Path, store: FaultyStore
) -> None:
    """The journal stays within its limit; dropped records count as lost, the rest is stored."""
    oracle = Oracle(tmp_path, store)
    web = Web(tmp_path, store, CHEST_BUFFER_MAX_BYTES=1024 * 1024)
    for _ in range(4):
        web.send(600)
        rescan(web.app)
    segments = (tmp_path / "chest-journal").glob("*/*.segment")
    assert sum(segment.stat().st_size for segment in segments) < 1.2 * 1024 * 1024
    lost = oracle.account("web").lost["overflow"]
    assert 0 < lost < len(web.sent)
    with web.agent():
        oracle.wait_until_delivered()
    # If the journal is over the limit when the agent starts, the agent drops further records.
    lost = max(account.lost.total() for account in oracle.accounts().values())
    assert lost < len(web.sent) / 2
    oracle.check(web.sent[-100:])
    oracle.check(web.sent, lost)
    assert oracle.account("web").captured == len(web.sent)
    web.app.extensions["chest"].close()


# While a file with this name exists, the system clock is an hour behind.
_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME && getenv("SET_BACK") && access(getenv("SET_BACK"), F_OK) == 0)
        now->tv_sec -= 3600;
    return result;
}
"""


def test_a_clock_that_goes_back_an_hour(tmp_path: Path, store: FaultyStore) -> None:
    """The agent goes on delivering: its intervals are not those of the system clock (simulated)."""
    oracle = Oracle(tmp_path, store)
    web = Web(tmp_path, store)
    set_back = tmp_path / "set-back"
    with web.agent(SET_BACK=str(set_back), **shim(tmp_path, _CLOCK)):
        web.send(1)
        oracle.wait_until_delivered()
        set_back.touch()
        web.send(5)
        oracle.wait_until_delivered()
    oracle.check(web.sent)
    web.app.extensions["chest"].close()
