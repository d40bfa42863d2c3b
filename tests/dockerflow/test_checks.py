"""Tests messages, the registry, and checks that fail in many ways."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask, current_app, g

from flask_chest.dockerflow import Dockerflow, checks, health
from flask_chest.dockerflow.checks.runner import CheckRunner, when_late

#: Seconds that a check may take that shall be late: more, where a busy machine needs more to begin.
PATIENCE = (0.1, 1.0, 10.0, 60.0)


def run(check: Any, **arguments: Any) -> checks.ChecksResults:
    return checks.run_checks([("it", check)], **arguments)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that hanging checks wait for; set after the test, so that their threads end."""
    event = threading.Event()
    yield event
    event.set()


def test_levels() -> None:
    """Five message classes, five levels, five words."""
    classes = (checks.Debug, checks.Info, checks.Warning, checks.Error, checks.Critical)
    levels = [made("text").level for made in classes]
    assert levels == [10, 20, 30, 40, 50]
    words = [checks.level_to_text(level) for level in (0, *levels, 45)]
    assert words == ["ok", "debug", "info", "warning", "error", "critical", "unknown"]


def test_message_texts() -> None:
    """``str()`` of a message has its id, its object and its hint."""
    message = checks.Error("down", id="x.E001", obj="redis", hint="start it")
    assert str(message) == "redis: (x.E001) down\n\tHINT: start it"
    assert str(checks.Error("down")) == "?: down"
    assert repr(message) == (
        "<Error: level=40, msg='down', hint='start it', obj='redis', id='x.E001'>"
    )


def test_messages_compare_by_what_they_say() -> None:
    """Messages are equal if class, level and texts are equal; a level may be passed."""
    assert checks.Error("a", id="1") == checks.Error("a", id="1")
    assert checks.Error("a", level=100) != checks.Error("a", level=101)
    assert checks.Error("a") != checks.Warning("a", level=40)
    assert checks.Error("a").is_serious()
    assert not checks.Warning("a").is_serious()


def test_register() -> None:
    """All forms of ``register`` work, and return the function unchanged."""

    def one() -> list[checks.CheckMessage]:
        return []

    assert checks.register(one) is one
    assert checks.register()(one) is one
    checks.register(name="two")(one)
    checks.register(one, "three")
    assert list(checks.get_checks()) == ["one", "two", "three"]
    checks.clear_checks()
    assert checks.get_checks() == {}


def test_register_partial() -> None:
    """``register_partial`` binds arguments and keeps the name."""

    def ping(what: str, times: int) -> list[checks.CheckMessage]:
        return [checks.Info(what * times, id="ping")]

    checks.register_partial(ping, "ab", 2)
    checks.register_partial(ping, "c", 1, name="other")
    results = checks.run_checks(checks.get_checks().items())
    assert results.details["ping"]["messages"] == {"ping": "abab"}
    assert results.details["other"]["messages"] == {"ping": "c"}


def test_what_cannot_be_registered() -> None:
    """A check that is not callable or has no name is an error with a remedy."""
    with pytest.raises(TypeError, match="must be callable, not str"):
        checks.register("no check")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="pass name="):
        checks.register(partial(list))


def test_get_checks_in_an_app(app: Flask, dockerflow: Dockerflow) -> None:
    """In an app context, ``get_checks`` also returns the app's own checks."""
    checks.register(name="shared")(list)
    dockerflow.check(name="own")(list)
    assert list(checks.get_checks()) == ["shared"]
    with app.app_context():
        assert list(checks.get_checks()) == ["shared", "own"]


def test_results() -> None:
    """The results have a status for each check, and details for checks with messages."""

    def messages() -> list[checks.CheckMessage]:
        return [checks.Error("bad", id="e"), checks.Warning("odd", id="w")]

    results = checks.run_checks([("first", messages), ("second", list)])
    assert results.level == checks.ERROR
    assert results.statuses == {"first": "error", "second": "ok"}
    assert results.details == {
        "first": {"status": "error", "level": 40, "messages": {"e": "bad", "w": "odd"}}
    }


def test_silenced_ids(caplog: pytest.LogCaptureFixture) -> None:
    """A silenced message has no effect on the results and is not logged."""
    results = run(
        lambda: [checks.Error("bad", id="e"), checks.Warning("odd", id="w")],
        silenced_check_ids=["e"],
    )
    assert results.level == checks.WARNING
    assert results.details["it"]["messages"] == {"w": "odd"}
    assert [record.getMessage() for record in caplog.records] == ["w: odd"]


def test_findings_are_logged_at_their_level(caplog: pytest.LogCaptureFixture) -> None:
    """Each message is logged at its own level, under python-dockerflow's logger name."""
    caplog.set_level(logging.DEBUG, logger="dockerflow.checks.registry")
    run(lambda: [checks.Debug("d", id="1"), checks.Error("e", id="2"), checks.Info("i", id="3")])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "1: d"),
        ("ERROR", "2: e"),
        ("INFO", "3: i"),
    ]


def test_messages_without_an_id() -> None:
    """Messages without an id appear under the check's name, and none is dropped."""
    results = run(lambda: [checks.Info("one"), checks.Info("two")])
    assert results.details["it"]["messages"] == {"it": "one; two"}


def raise_(error: BaseException) -> Any:
    raise error


WRONG = {
    "None": lambda: None,
    "a string": lambda: "all is well",
    "a dict": lambda: {"status": "ok"},
    "a number": lambda: 0,
    "a list of strings": lambda: ["all is well"],
    "a generator that raises": lambda: (raise_(KeyError("x")) for _ in "a"),
    "ValueError": lambda: raise_(ValueError("password=secret")),
    "SystemExit": sys.exit,
    "KeyboardInterrupt": lambda: raise_(KeyboardInterrupt()),
    "GeneratorExit": lambda: raise_(GeneratorExit()),
}


@pytest.mark.parametrize("check", WRONG.values(), ids=WRONG)
def test_wrong_checks_are_critical(check: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong return value or an exception is one critical message and one log record."""
    results = run(check)
    assert (results.level, results.statuses) == (50, {"it": "critical"})
    (text,) = results.details["it"]["messages"].values()
    assert text.startswith("the check 'it' ")
    assert "secret" not in text
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


def test_the_log_has_what_the_heartbeat_hides(caplog: pytest.LogCaptureFixture) -> None:
    """A check's exception is logged with its traceback."""
    run(WRONG["ValueError"])
    assert "password=secret" in caplog.text
    assert "Traceback" in caplog.text


def test_one_message_counts_as_a_list() -> None:
    """A check may return a single message instead of a list."""
    assert run(lambda: checks.Warning("odd", id="w")).statuses == {"it": "warning"}


def test_messages_of_another_library() -> None:
    """Objects with level, msg and id are messages, also those of python-dockerflow."""

    class Foreign:
        level, msg, id = 40, "bad", "f"

    assert run(lambda: [Foreign()]).details["it"]["messages"] == {"f": "bad"}


def test_async_checks() -> None:
    """``async def`` checks are supported, and may raise or exit."""

    async def fine() -> list[checks.CheckMessage]:
        await asyncio.sleep(0)
        return [checks.Info("awaited", id="a")]

    async def wrong() -> list[checks.CheckMessage]:
        raise LookupError

    async def leaves() -> list[checks.CheckMessage]:
        sys.exit(3)

    results = checks.run_checks([("fine", fine), ("wrong", wrong), ("leaves", leaves)])
    assert results.statuses == {"fine": "info", "wrong": "critical", "leaves": "critical"}


def test_side_by_side() -> None:
    """Checks run at the same time: each of these waits for the other."""
    together = threading.Barrier(3, timeout=60)

    def wait() -> list[checks.CheckMessage]:
        together.wait()
        return []

    async def wait_too() -> list[checks.CheckMessage]:
        await asyncio.to_thread(together.wait)
        return []

    results = checks.run_checks([("a", wait), ("b", wait), ("c", wait_too)], timeout=120)
    assert set(results.statuses.values()) == {"ok"}


def test_a_hanging_check_is_critical(gate: threading.Event) -> None:
    """A late check is a critical message, and does not delay the others."""
    # The gate stays shut: that it returns at all shows that it does not wait for the one.
    for timeout in PATIENCE:
        results = checks.run_checks([("hangs", gate.wait), ("fine", list)], timeout=timeout)
        if results.statuses["fine"] == "ok":
            break
    assert results.statuses == {"hangs": "critical", "fine": "ok"}
    messages = results.details["hangs"]["messages"]
    assert list(messages) == [health.CRITICAL_CHECK_TIMED_OUT]
    assert "DOCKERFLOW_CHECK_TIMEOUT" in messages[health.CRITICAL_CHECK_TIMED_OUT]


def test_a_hanging_async_check_is_cancelled() -> None:
    """A late ``async def`` check is cancelled, so that its thread ends."""
    begun, cancelled = threading.Event(), threading.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    for timeout in PATIENCE:
        results = run(hang, timeout=timeout)
        assert list(results.details["it"]["messages"]) == [health.CRITICAL_CHECK_TIMED_OUT]
        if begun.is_set():
            break
    assert cancelled.wait(60)


def test_what_lateness_means(gate: threading.Event) -> None:
    """A check can define its own message for the case that it is late."""

    @when_late(checks.Error("no answer", id="late"))
    def check(subject: object) -> object:
        return gate.wait()

    checks.register_partial(check, "x")
    results = checks.run_checks(checks.get_checks().items(), timeout=0.1)
    assert results.details["check"]["messages"] == {"late": "no answer"}


def test_a_check_that_still_hangs_is_not_started_again(gate: threading.Event) -> None:
    """A hanging check has one thread for all runs; a run after its end starts it again."""
    started: list[str] = []
    begun = threading.Event()

    def check() -> list[checks.CheckMessage]:
        started.append(threading.current_thread().name)
        begun.set()
        gate.wait()
        return []

    runner = CheckRunner()
    for _ in range(3):
        (finding,) = runner.run([("it", check)], timeout=0.05)["it"]
        assert finding.level == checks.CRITICAL
    assert begun.wait(60)
    assert started == ["dockerflow it"]
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "dockerflow it":
            thread.join()
    assert runner.run([("it", check)], timeout=30)["it"] == []
    assert len(started) == 2


def test_threads_are_daemons() -> None:
    """Checks run in daemon threads, which do not keep the process alive."""
    found = []

    def look() -> list[checks.CheckMessage]:
        found.append(threading.current_thread().daemon)
        return []

    run(look)
    assert found == [True]


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system has no more threads, the message says so."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    results = run(list)
    assert list(results.details["it"]["messages"]) == [health.CRITICAL_CHECK_NOT_STARTED]


def test_app_context(app: Flask, dockerflow: Dockerflow) -> None:
    """A check runs in its own app context, which is torn down afterwards."""
    torn_down = threading.Event()

    @app.teardown_appcontext
    def tear_down(error: BaseException | None) -> None:
        if "of_the_check" in g:
            torn_down.set()

    @dockerflow.check
    def check() -> list[checks.CheckMessage]:
        g.of_the_check = True
        return [checks.Info(current_app.name, id="name")]

    with app.test_client() as client:
        answer = client.get("/__heartbeat__").json
        assert "of_the_check" not in g
    assert answer is not None
    assert answer["details"]["check"]["messages"] == {"name": "shop"}
    assert torn_down.wait(60)


def test_a_failing_teardown_is_a_finding(app: Flask, dockerflow: Dockerflow) -> None:
    """A failing teardown is a critical message of the check; the heartbeat still answers."""
    dockerflow.check(name="fine")(list)

    @app.teardown_appcontext
    def tear_down(error: BaseException | None) -> None:
        if "of_the_check" in g:
            raise OSError

    @dockerflow.check
    def check() -> list[checks.CheckMessage]:
        g.of_the_check = True
        return []

    answer = app.test_client().get("/__heartbeat__").json
    assert answer is not None
    assert answer["checks"] == {"fine": "ok", "check": "critical"}


def test_an_async_check_that_cancels_itself() -> None:
    """A check that raises CancelledError is critical, as with other exceptions."""

    async def check() -> None:
        raise asyncio.CancelledError

    assert run(check).statuses == {"it": "critical"}
