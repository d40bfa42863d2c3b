"""Tests how checks run: wrong, hanging and asynchronous ones."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from flask import Flask, current_app, g

from flask_chest.dockerflow import Dockerflow, checks, health
from flask_chest.dockerflow.checks.runner import CheckRunner, when_late

from .conftest import run

#: Seconds that a check may take that shall be late: more, where a busy machine needs more to begin.
PATIENCE = (0.1, 1.0, 10.0, 60.0)


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


def test_exceptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A check's exception is logged with its traceback."""
    run(WRONG["ValueError"])
    assert "password=secret" in caplog.text
    assert "Traceback" in caplog.text


def test_message_without_a_list() -> None:
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


def test_checks_run_at_the_same_time() -> None:
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


def test_message_of_a_late_check(gate: threading.Event) -> None:
    """A check can define its own message for the case that it is late."""

    @when_late(checks.Error("no answer", id="late"))
    def check(subject: object) -> object:
        return gate.wait()

    checks.register_partial(check, "x")
    results = checks.run_checks(checks.get_checks().items(), timeout=0.1)
    assert results.details["check"]["messages"] == {"late": "no answer"}


def test_hanging_check_is_not_started_again(gate: threading.Event) -> None:
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


def test_failing_teardown(app: Flask, dockerflow: Dockerflow) -> None:
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
