"""Tests the heartbeat: its status, its messages, its cache."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.dockerflow.heartbeat import Heartbeat
from flask_chest.dockerflow.settings import heartbeat_settings

from .conftest import Lines, beat


def test_no_checks(app: Flask, dockerflow: Dockerflow) -> None:
    """Without checks, the heartbeat passes."""
    response = beat(app)
    assert response.status_code == 200
    assert response.json == {"status": "ok", "checks": {}, "details": {}}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (checks.Debug, 200),
        (checks.Info, 200),
        (checks.Warning, 200),
        (checks.Error, 500),
        (checks.Critical, 500),
    ],
)
def test_levels(app: Flask, dockerflow: Dockerflow, message: Any, status: int) -> None:
    """The status is 200 below error, else 500; the JSON has the messages."""
    dockerflow.check(name="it")(lambda: [message("so it is", id="x.1")])
    response = beat(app)
    word = message.__name__.lower()
    assert response.status_code == status
    assert response.json == {
        "status": word,
        "checks": {"it": word},
        "details": {
            "it": {"status": word, "level": message.level, "messages": {"x.1": "so it is"}}
        },
    }


@pytest.mark.parametrize("code", [503, "503"])
def test_failed_status_code(app: Flask, dockerflow: Dockerflow, code: Any) -> None:
    """``DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE`` replaces 500; it may be a string."""
    app.config["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = code
    dockerflow.check(name="it")(lambda: [checks.Error("no")])
    assert beat(app).status_code == 503


def test_silenced(app: Flask) -> None:
    """``silenced_checks`` are ignored."""
    dockerflow = Dockerflow(app, silenced_checks=["x.1"])
    dockerflow.check(name="it")(lambda: [checks.Error("no", id="x.1")])
    assert beat(app).json == {"status": "ok", "checks": {"it": "ok"}, "details": {}}


def test_concurrent_requests_share_a_run(app: Flask, dockerflow: Dockerflow) -> None:
    """Requests at the same time, and shortly afterwards, share one run of the checks."""
    app.config.update(DOCKERFLOW_CHECK_TIMEOUT=60, DOCKERFLOW_HEARTBEAT_CACHE=3600)
    began, go_on, runs = threading.Event(), threading.Event(), []

    @dockerflow.check
    def slow() -> list[checks.CheckMessage]:
        runs.append(1)
        began.set()
        go_on.wait(60)
        return [checks.Info("once", id="slow")]

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(beat, app) for _ in range(20)]
        assert began.wait(60)
        go_on.set()
        bodies = [answer.result().json for answer in answers]
    bodies.append(beat(app).json)
    assert len(runs) == 1
    assert all(body == bodies[0] for body in bodies)


def test_cache(app: Flask, dockerflow: Dockerflow) -> None:
    """After ``DOCKERFLOW_HEARTBEAT_CACHE`` seconds the checks run again; 0 caches nothing."""
    runs: list[int] = []

    @dockerflow.check
    def count() -> list[checks.CheckMessage]:
        runs.append(1)
        return []

    app.config["DOCKERFLOW_HEARTBEAT_CACHE"] = 0
    beat(app)
    beat(app)
    assert len(runs) == 2
    app.config["DOCKERFLOW_HEARTBEAT_CACHE"] = 3600
    beat(app)
    assert len(runs) == 2


def test_no_cache_while_testing(app: Flask, dockerflow: Dockerflow) -> None:
    """With ``TESTING``, nothing is cached: a test may change something and ask again."""
    app.config["TESTING"] = True
    findings: list[checks.CheckMessage] = []
    dockerflow.check(name="it")(lambda: findings)
    assert beat(app).status_code == 200
    findings.append(checks.Error("now"))
    assert beat(app).status_code == 500


def test_cache_is_not_used_for_other_checks(app: Flask, dockerflow: Dockerflow) -> None:
    """A cached result is not used if checks or silenced ids have changed."""
    assert beat(app).json["checks"] == {}
    dockerflow.check(name="it")(lambda: [checks.Error("no", id="x")])
    assert beat(app).json["checks"] == {"it": "error"}
    dockerflow.silenced_checks.append("x")
    assert beat(app).json["checks"] == {"it": "ok"}


def test_aborted_request(app: Flask) -> None:
    """If the request that runs the checks is aborted, a waiting request runs them."""
    torn, waits = [True], threading.Event()

    class TornError(BaseException):
        """Raised in a request's thread, as by a server's signal handler."""

    class Message:
        msg, id = "x", "x"

        @property
        def level(self) -> int:
            if torn and not threading.current_thread().name.startswith("dockerflow"):
                torn.clear()
                waits.wait(60)
                raise TornError
            return checks.INFO

    asked: list[int] = []

    def silenced() -> list[str]:
        asked.append(1)
        if len(asked) == 2:
            waits.set()
        return []

    heartbeat = Heartbeat(app, lambda: {"it": list_message}, silenced)

    def list_message() -> list[Message]:
        return [Message()]

    settings = heartbeat_settings(app.config)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(heartbeat.results, settings) for _ in range(2)]
        errors = [answer.exception() for answer in answers]
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "TornError"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_during_a_heartbeat(app: Flask, dockerflow: Dockerflow) -> None:
    """A process that was forked during a heartbeat answers its own heartbeats."""
    inside, go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    @dockerflow.check
    def check() -> list[checks.CheckMessage]:
        if os.getpid() == parent:
            inside.set()
            go_on.wait(60)
        return []

    asking = threading.Thread(target=beat, args=[app])
    asking.start()
    assert inside.wait(60)
    child = fork()
    if child == 0:
        os._exit(0 if beat(app).status_code == 200 else 1)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    asking.join()
    assert os.waitstatus_to_exitcode(status) == 0


def fork() -> int:
    import warnings

    with warnings.catch_warnings():
        # Python 3.12 warns of forking with threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def test_messages_are_mozlog(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """Messages and exceptions of checks are mozlog lines of their level."""
    dockerflow.check(name="finds")(lambda: [checks.Warning("odd", id="w"), checks.Info("x")])
    dockerflow.check(name="raises")(lambda: 1 / 0)
    beat(app)
    found = [line for line in lines() if line["Type"] == "dockerflow.checks.registry"]
    assert [line["Severity"] for line in found] == [4, 6, 2]
    assert found[0]["Fields"]["msg"] == "w: odd"
    assert found[2]["Fields"]["error"].startswith("ZeroDivisionError(")
    assert len({line["Fields"]["rid"] for line in found}) == 1


def test_nothing_starts_before_a_heartbeat() -> None:
    """Creating apps and serving other requests starts no thread."""
    before = set(threading.enumerate())
    app = Flask("quiet")
    Dockerflow(app).check(name="it")(list)
    app.test_client().get("/__lbheartbeat__")
    assert set(threading.enumerate()) <= before
