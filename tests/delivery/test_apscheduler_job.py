"""The schedule: it goes by the monotonic clock, and needs no metadata of installed packages."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import apscheduler.schedulers.base
import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from redis import Redis as Client

from flask_chest.delivery import apscheduler_job
from flask_chest.delivery.apscheduler_start import Schedule
from flask_chest.delivery.thread_pool import ThreadPool
from tests import ROOT
from tests.servers.redis import Redis
from tests.waiting import wait_until


class MovedClock(datetime):
    """A simulation of a system clock that somebody sets."""

    offset = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> MovedClock:
        moved = datetime.now(tz) + cls.offset
        return cls.combine(moved.date(), moved.timetz())


@contextmanager
def ticking(app_scheduler: BackgroundScheduler | None = None) -> Iterator[threading.Semaphore]:
    """Run a schedule; the semaphore is released at each tick."""
    ticks = threading.Semaphore(0)
    pool = ThreadPool()
    schedule = Schedule(lambda _: ticks.release(), 0.05, app_scheduler)
    schedule.start(pool.own_queue())
    try:
        yield ticks
    finally:
        schedule.stop()
        pool.stop()


@pytest.mark.parametrize("hours", [-1, 1, -24 * 365 * 50, 24 * 365 * 10])
@pytest.mark.parametrize("lent", [False, True], ids=["own", "lent"])
def test_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch, hours: int, lent: bool) -> None:
    """The job runs on at its interval, whichever way the clock goes."""
    monkeypatch.setattr(MovedClock, "offset", timedelta(0))
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", MovedClock)
    monkeypatch.setattr(apscheduler_job, "datetime", MovedClock)
    app_scheduler = BackgroundScheduler() if lent else None
    if app_scheduler is not None:
        app_scheduler.start()
    with ticking(app_scheduler) as ticks:
        assert ticks.acquire(timeout=10)
        monkeypatch.setattr(MovedClock, "offset", timedelta(hours=hours))
        for _ in range(5):
            assert ticks.acquire(timeout=10)
    if app_scheduler is not None:
        app_scheduler.shutdown()


def test_a_process_that_was_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late job counts as dead only if it has not run since it was found late.

    The freeze is simulated: between two calls the clock of the schedule goes on by a minute.
    """
    ticks = threading.Semaphore(0)
    schedule = Schedule(lambda _: ticks.release(), 60.0)
    clock = [time.monotonic()]
    monkeypatch.setattr("flask_chest.delivery.apscheduler_start.time.monotonic", lambda: clock[0])
    for _ in range(3):
        clock[0] += 60
        assert not schedule.is_dead()
        schedule._run()  # the threads go on after the thaw
    clock[0] += 60
    assert not schedule.is_dead()
    clock[0] += 5
    assert schedule.is_dead()


def test_a_shorter_interval() -> None:
    """An app with a short interval need not wait for the long first interval of another app."""
    pool, ticks = ThreadPool(), threading.Semaphore(0)
    schedule = Schedule(lambda _: ticks.release(), 3600.0)
    schedule.start(pool.own_queue())
    schedule.shorten(0.05)
    try:
        assert ticks.acquire(timeout=60)
        assert ticks.acquire(timeout=60)
    finally:
        schedule.stop()
        pool.stop()


def test_a_scheduler_that_cannot_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the schedule counts as dead at once, so that a request replaces it."""

    def fail(self: BackgroundScheduler) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(apscheduler_job._OwnScheduler, "start", fail)
    pool = ThreadPool()
    schedule = Schedule(lambda _: None, 0.01)
    schedule.start(pool.own_queue())
    wait_until(schedule.is_dead, lambda: "the schedule counts as alive")
    pool.stop()
    assert "delivery cannot start, records wait: RuntimeError" in caplog.text


def run(code: str, folder: Path) -> float:
    """Run a script; return how many seconds it takes after it prints that it is about to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "end\n", line + process.stdout.read()
        start = time.monotonic()
        rest = process.stdout.read()
        assert process.wait(60) == 0
    assert rest == ""
    return time.monotonic() - start


APP = """
from pathlib import Path
from flask import Flask
from flask_chest import FlaskChest
app = Flask("app", instance_path=str(Path.cwd()))
chest = FlaskChest(app)
app.add_url_rule("/", "home", lambda: "ok")
assert app.test_client().get("/").text == "ok"
"""


@pytest.mark.server
def test_a_short_process(tmp_path: Path) -> None:
    """A process that ends before the first interval delivers without importing APScheduler."""
    code = """
    import atexit, sys
    assert chest.flush(30)
    assert chest.stats()["chests"]["sqlite"]["delivered"] == 1
    print("end", flush=True)
    atexit.register(lambda: print("apscheduler" if "apscheduler" in sys.modules else "", end=""))
    """
    long = """
    import flask_chest.delivery.pipeline
    flask_chest.delivery.pipeline._MAX_TICK = 3600
    """
    app = APP.replace("chest =", "app.config['CHEST_EXPORT_INTERVAL'] = 3600\nchest =")
    run(textwrap.dedent(long) + app + textwrap.dedent(code), tmp_path)


@pytest.mark.server
def test_a_driver_that_is_imported_at_exit(tmp_path: Path) -> None:
    """A process that ends before its first delivery imports the driver for the last flush."""
    with Redis() as server:
        config = f"app.config.update(CHEST_CHESTS=[{server.url!r}], CHEST_EXPORT_INTERVAL=3600)"
        code = """
        import sys
        assert "redis" not in sys.modules
        print("end", flush=True)
        """
        run(APP.replace("chest =", f"{config}\nchest =") + textwrap.dedent(code), tmp_path)
        with Client.from_url(server.url) as client:
            assert client.xlen("chest") == 1


@pytest.mark.server
def test_packages_without_metadata(tmp_path: Path) -> None:
    """Delivery works where a bundle has left out what pip says about packages (simulated)."""
    code = """
    import importlib.metadata as metadata
    version = metadata.version
    def missing(name):
        if name == "werkzeug":  # Flask's test client asks for it
            return version(name)
        raise metadata.PackageNotFoundError(name)
    metadata.entry_points = lambda *arguments, **options: []
    metadata.version = missing
    """
    waiting = """
    import time
    deadline = time.monotonic() + 30
    while not chest.stats()["chests"]["sqlite"]["delivered"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    print("end", flush=True)
    """
    run(textwrap.dedent(code) + APP + textwrap.dedent(waiting), tmp_path)


@pytest.mark.server
def test_exit_while_fsync_takes_long(tmp_path: Path) -> None:
    """All of the end has one deadline, ``CHEST_SHUTDOWN_TIMEOUT`` (the slow disk is simulated)."""
    code = """
    import os, time
    for name in ("fsync", "fdatasync"):
        setattr(os, name, lambda descriptor: time.sleep(25))
    time.sleep(2)
    assert app.test_client().get("/").text == "ok"
    print("end", flush=True)
    """
    assert run(APP + textwrap.dedent(code), tmp_path) < 4
