"""Tests the health checker: one deadline for all chests, and one check of a chest at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from flask_chest import Chest, Record
from flask_chest.errors import DeliveryError
from flask_chest.operations.calls_with_deadline import NotStartedError
from flask_chest.operations.chest_health import HealthChecker


class Store(Chest):
    """A chest whose check waits for ``answer``, and then raises ``error`` if it is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.answer = threading.Event()
        self.answer.set()
        self.started = threading.Event()
        self.error: Exception | None = None
        self.checks = 0

    def write(self, records: Sequence[Record]) -> None:
        """Accept all records."""

    def check(self) -> None:
        self.checks += 1
        self.started.set()
        assert self.answer.wait(60)
        if self.error is not None:
            raise self.error


@contextmanager
def hanging(name: str) -> Iterator[Store]:
    """A chest whose check hangs until the context ends."""
    store = Store(name)
    store.answer.clear()
    try:
        yield store
    finally:
        store.answer.set()


def test_reachable_and_unreachable() -> None:
    """The health has the error of a chest that cannot be reached, of whatever class."""
    good, down, broken = Store("good"), Store("down"), Store("broken")
    down.error, broken.error = DeliveryError("connection refused"), ZeroDivisionError("by zero")
    found = HealthChecker().check([good, down, broken], 60)
    assert {name: str(health) for name, health in found.items()} == {
        "good": "ok",
        "down": "unreachable: connection refused",
        "broken": "unreachable: chest 'broken' at chest: ZeroDivisionError: by zero",
    }
    assert found["broken"].error is broken.error


def test_hanging_chest() -> None:
    """A chest that hangs is late, does not delay the others, and is not checked again."""
    checker, good = HealthChecker(), Store("good")
    with hanging("slow") as slow:
        for _ in range(3):
            found = checker.check([slow, good], 1)
            assert str(found["slow"]) == "no answer within 1 s"
            assert str(found["good"]) == "ok"
        assert slow.checks == 1
        assert good.checks == 3


def test_two_callers_share_a_check() -> None:
    """A second caller does not start another check while the first one runs."""
    checker = HealthChecker()
    found: list[str] = []
    with hanging("slow") as slow:
        first = threading.Thread(
            target=lambda: found.append(str(checker.check([slow], 60)["slow"]))
        )
        first.start()
        assert slow.started.wait(60)
        assert checker.check([slow], 0.05)["slow"].late_after == 0.05
    first.join()
    assert found == ["ok"]
    assert slow.checks == 1


def test_chest_in_use() -> None:
    """The checker never calls a chest while delivery does."""
    store = Store("busy")
    with store.lock:
        assert HealthChecker().check([store], 0.05)["busy"].late_after == 0.05
        assert store.checks == 0


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system has no more threads, that is the error."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    health = HealthChecker().check([Store("any")], 1)["any"]
    assert isinstance(health.error, NotStartedError)
    assert str(health) == "unreachable: can't start new thread"
