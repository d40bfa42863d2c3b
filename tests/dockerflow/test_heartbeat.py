"""Tests ``/__heartbeat__``, ``/__lbheartbeat__`` and ``/__error__``."""

from __future__ import annotations

import gc
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import ref

import pytest
from flask import Flask, Response, g

from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.dockerflow.heartbeat import Heartbeat
from flask_chest.dockerflow.settings import heartbeat_settings
from flask_chest.dockerflow.signals import heartbeat_failed, heartbeat_passed
from flask_chest.errors import ConfigError

from .conftest import Lines


def beat(app: Flask) -> Any:
    response = app.test_client().get("/__heartbeat__")
    assert response.is_json
    return response


def test_nothing_to_check(app: Flask, dockerflow: Dockerflow) -> None:
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


def test_init_check(app: Flask, dockerflow: Dockerflow) -> None:
    """A check may be registered together with its argument."""

    def check(subject: str) -> list[checks.CheckMessage]:
        return [checks.Info(subject, id="subject")]

    dockerflow.init_check(check, "the till")
    assert beat(app).json["details"]["check"]["messages"] == {"subject": "the till"}


def test_a_heartbeat_that_cannot_be_told(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """The response is JSON even if the extension is broken; the log has the details."""

    class Broken(Dockerflow):
        silenced_checks: Any = property(lambda self: 1 / 0, lambda self, value: None)

    Broken(app)
    response = beat(app)
    assert response.status_code == 500
    assert response.json == {
        "error": "the heartbeat raised ZeroDivisionError",
        "status": "critical",
    }
    assert "division by zero" in caplog.text


def test_checks_stay_with_their_app() -> None:
    """Each app runs its own checks and those of the process."""
    one, two = Flask("one"), Flask("two")
    Dockerflow(one).check(name="first")(list)
    Dockerflow(two).check(name="second")(list)
    checks.register(name="shared")(list)
    assert beat(one).json["checks"] == {"first": "ok", "shared": "ok"}
    assert beat(two).json["checks"] == {"second": "ok", "shared": "ok"}


def test_factory_pattern() -> None:
    """One Dockerflow can serve several apps."""
    dockerflow = Dockerflow()
    dockerflow.check(name="mine")(list)
    for name in ("one", "two"):
        app = Flask(name)
        dockerflow.init_app(app)
        assert app.extensions["dockerflow"] is dockerflow
        assert beat(app).json["checks"] == {"mine": "ok"}


def test_twice_on_one_app(app: Flask, dockerflow: Dockerflow) -> None:
    """A second Dockerflow on an app is an error with a remedy."""
    with pytest.raises(ConfigError, match="'shop' has a Dockerflow already; drop one"):
        Dockerflow(app)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DOCKERFLOW_CHECK_TIMEOUT", 0),
        ("DOCKERFLOW_CHECK_TIMEOUT", "soon"),
        ("DOCKERFLOW_CHECK_TIMEOUT", float("nan")),
        ("DOCKERFLOW_HEARTBEAT_CACHE", -1),
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", "teapot"),
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 99),
    ],
)
def test_wrong_config(app: Flask, key: str, value: Any) -> None:
    """A wrong value is an error in ``init_app`` that names key and value."""
    app.config[key] = value
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        Dockerflow(app)


def test_config_that_went_wrong_later(app: Flask, dockerflow: Dockerflow) -> None:
    """If a value is wrong at the time of the heartbeat, the response is JSON."""
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = "soon"
    response = beat(app)
    assert response.status_code == 500
    assert "DOCKERFLOW_CHECK_TIMEOUT is 'soon'" in response.json["error"]


def test_signals(app: Flask, dockerflow: Dockerflow) -> None:
    """Receivers for the app, for the Dockerflow and for all senders are called once."""
    heard: list[tuple[str, int]] = []
    level = [checks.WARNING]
    dockerflow.check(name="it")(lambda: [checks.CheckMessage("so", level=level[0])])

    @heartbeat_passed.connect_via(app)
    def passed(sender: object, level: int, **extra: Any) -> None:
        heard.append(("passed for the app", level))

    @heartbeat_failed.connect_via(dockerflow)
    def failed(sender: object, level: int, **extra: Any) -> None:
        heard.append(("failed for the Dockerflow", level))

    def both(sender: object, level: int, **extra: Any) -> None:
        heard.append(("all", level))

    with heartbeat_passed.connected_to(both), heartbeat_failed.connected_to(both):
        beat(app)
        level[0] = checks.CRITICAL
        app.config["DOCKERFLOW_HEARTBEAT_CACHE"] = 0
        beat(app)
    assert sorted(heard) == [
        ("all", 30),
        ("all", 50),
        ("failed for the Dockerflow", 50),
        ("passed for the app", 30),
    ]


def test_a_receiver_that_raises(
    app: Flask, dockerflow: Dockerflow, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver's exception is logged and has no other effect."""

    def receiver(sender: object, **extra: Any) -> None:
        raise OSError("statsd is away")

    with heartbeat_passed.connected_to(receiver, app):
        assert beat(app).status_code == 200
    assert "statsd is away" in caplog.text


def test_a_storm_runs_each_check_once(app: Flask, dockerflow: Dockerflow) -> None:
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


def test_the_cache_is_short(app: Flask, dockerflow: Dockerflow) -> None:
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


def test_tests_see_no_old_answer(app: Flask, dockerflow: Dockerflow) -> None:
    """With ``TESTING``, nothing is cached: a test may change something and ask again."""
    app.config["TESTING"] = True
    findings: list[checks.CheckMessage] = []
    dockerflow.check(name="it")(lambda: findings)
    assert beat(app).status_code == 200
    findings.append(checks.Error("now"))
    assert beat(app).status_code == 500


def test_new_checks_count_at_once(app: Flask, dockerflow: Dockerflow) -> None:
    """A cached result is not used if checks or silenced ids have changed."""
    assert beat(app).json["checks"] == {}
    dockerflow.check(name="it")(lambda: [checks.Error("no", id="x")])
    assert beat(app).json["checks"] == {"it": "error"}
    dockerflow.silenced_checks.append("x")
    assert beat(app).json["checks"] == {"it": "ok"}


def test_a_request_that_is_torn_away(app: Flask) -> None:
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
def test_a_lock_held_at_a_fork(app: Flask, dockerflow: Dockerflow) -> None:
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


def test_load_balancer(app: Flask, dockerflow: Dockerflow) -> None:
    """``/__lbheartbeat__`` returns 200 and an empty body, without running checks."""
    ran: list[int] = []

    @dockerflow.check
    def count() -> list[checks.CheckMessage]:
        ran.append(1)
        return [checks.Critical("no")]

    response = app.test_client().get("/__lbheartbeat__")
    assert (response.status_code, response.data, ran) == (200, b"", [])


def test_findings_are_mozlog(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """Messages and exceptions of checks are mozlog lines of their level."""
    dockerflow.check(name="finds")(lambda: [checks.Warning("odd", id="w"), checks.Info("x")])
    dockerflow.check(name="raises")(lambda: 1 / 0)
    beat(app)
    found = [line for line in lines() if line["Type"] == "dockerflow.checks.registry"]
    assert [line["Severity"] for line in found] == [4, 6, 2]
    assert found[0]["Fields"]["msg"] == "w: odd"
    assert found[2]["Fields"]["error"].startswith("ZeroDivisionError(")
    assert len({line["Fields"]["rid"] for line in found}) == 1


def test_error(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """``/__error__`` raises, and logs that it was called."""
    assert app.test_client().get("/__error__").status_code == 500
    first, second = lines()
    assert first["Type"] == "dockerflow.flask"
    assert first["Severity"] == 3
    assert first["Fields"]["msg"] == "The __error__ endpoint was called"
    assert "test exception from the /__error__ endpoint" in second["Fields"]["error"]


def test_endpoints_have_python_dockerflows_names(app: Flask, dockerflow: Dockerflow) -> None:
    """The views have names, by which e.g. rate limiters exempt them."""
    names = {"dockerflow.version", "dockerflow.heartbeat", "dockerflow.lbheartbeat"}
    assert names | {"dockerflow.error"} <= app.view_functions.keys()


def test_an_app_can_be_forgotten() -> None:
    """Neither Dockerflow nor its signals keep an app alive."""
    dockerflow = Dockerflow()
    app = Flask("passing")
    dockerflow.init_app(app)
    assert beat(app).status_code == 200
    known = ref(app)
    del app
    gc.collect()
    assert known() is None


def test_nothing_starts_before_a_heartbeat() -> None:
    """Creating apps and serving other requests starts no thread."""
    before = set(threading.enumerate())
    app = Flask("quiet")
    Dockerflow(app).check(name="it")(list)
    app.test_client().get("/__lbheartbeat__")
    assert set(threading.enumerate()) <= before


def test_the_apps_own_hooks_apply(app: Flask, dockerflow: Dockerflow) -> None:
    """The views are ordinary views: hooks of the app see them."""

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = g.request_id
        return response

    assert beat(app).headers["X-Mark"]
    assert logging.getLogger("dockerflow.flask").level == logging.NOTSET
