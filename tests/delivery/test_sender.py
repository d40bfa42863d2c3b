"""Delivery to one chest: failures wait, rejected records are found and buried, the rest arrives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.chests.base import Chest
from flask_chest.delivery.memory_buffer import MemoryBuffer
from flask_chest.delivery.sender import Sender
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.record.encoding import encode, from_microseconds
from flask_chest.record.record import Record
from flask_chest.signals import batch_delivered, delivery_failed


class Backend(Chest):
    """A backend that does what it is told to."""

    def __init__(self, behave: Callable[[list[str]], None]) -> None:
        super().__init__(name="backend")
        self.accepted: list[str] = []
        self.calls: list[int] = []
        self._behave = behave

    def write(self, records: Sequence[Record]) -> None:
        ids = [record.id for record in records]
        self.calls.append(len(ids))
        self._behave(ids)
        self.accepted += ids


class Setting:
    """A buffer, a shipper, and where rejected records go."""

    def __init__(self, behave: Callable[[list[str]], None], batch_size: int = 100) -> None:
        self.chest = Backend(behave)
        self.buffer = MemoryBuffer(["backend"], 2**20, lambda *_: None)
        self.buried: list[tuple[int, str]] = []
        self.sender = Sender(self.chest, self.buffer, batch_size, self, self._add_dead_letters)

    def put(self, count: int) -> list[str]:
        ids = [f"{number:032x}" for number in range(count)]
        for each in ids:
            self.buffer.append(encode(Record(id=each, time=from_microseconds(0))), 1)
        return ids

    def send(self) -> None:
        self.sender.request_flush()
        self.sender.send()

    def account(self) -> dict[str, object]:
        return self.buffer.ledger().account("backend").to_dict()

    def _add_dead_letters(self, chest: str, lines: Sequence[bytes], reason: str) -> None:
        self.buried.append((len(lines), reason))


def accept(ids: list[str]) -> None:
    """Takes everything."""


def test_everything_is_delivered_in_batches() -> None:
    """Batches are of the size that was asked for, in the order of capture."""
    setting = Setting(accept, batch_size=40)
    ids = setting.put(100)
    setting.send()
    assert setting.chest.accepted == ids
    assert setting.chest.calls == [40, 40, 20]


def test_what_comes_meanwhile_waits_for_its_turn() -> None:
    """An app in use does not have its records sent by twos and threes."""

    def more_comes(_: list[str]) -> None:
        if len(setting.chest.calls) < 20:
            setting.put(3)

    setting = Setting(more_comes, batch_size=40)
    setting.put(100)
    setting.sender.send()
    assert setting.chest.calls == [40, 40, 26]
    setting.sender.send()
    assert setting.chest.calls == [40, 40, 26, 3]
    setting.send()  # somebody waits for it
    assert setting.account()["pending"] == 0


def test_a_backend_that_does_not_say_which() -> None:
    """Where some were rejected, nobody knows which, nothing is buried or sent again; the ledger
    has their number."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("two of them", unnamed=2)

    setting = Setting(behave, batch_size=10)
    setting.put(20)
    setting.send()
    assert setting.chest.calls == [10, 10]
    assert setting.buried == []
    account = setting.account()
    assert (account["delivered"], account["rejected"], account["pending"]) == (16, 4, 0)


@given(st.sets(st.integers(0, 63), max_size=6))
def test_a_rejected_batch_is_halved_until_the_bad_are_alone(bad: set[int]) -> None:
    """Whichever records are bad, they alone are buried and all others arrive once."""

    def behave(ids: list[str]) -> None:
        if any(int(each, 16) in bad for each in ids):
            raise RejectedError("not this one")

    setting = Setting(behave, batch_size=64)
    ids = setting.put(64)
    setting.send()
    assert setting.chest.accepted == [each for each in ids if int(each, 16) not in bad]
    assert setting.buried == [(1, "not this one")] * len(bad)
    assert setting.account()["rejected"] == len(bad)
    assert setting.account()["pending"] == 0


def test_a_backend_that_names_the_bad_ones_is_believed() -> None:
    """Where the backend said which records it rejected, nothing is sent again."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("two of them", record_ids=ids[:2])

    setting = Setting(behave)
    setting.put(10)
    setting.send()
    assert setting.chest.calls == [10]
    assert setting.buried == [(2, "two of them")]
    account = setting.account()
    assert (account["delivered"], account["rejected"]) == (8, 2)


def test_a_failure_keeps_everything_and_waits() -> None:
    """What failed stays, is not tried at once, and is tried when a flush asks for it."""
    failures = [DeliveryError("down", retry_after=60)]

    def behave(ids: list[str]) -> None:
        if failures:
            raise failures.pop()

    setting = Setting(behave)
    ids = setting.put(3)
    setting.sender.send()
    setting.sender.send()
    assert setting.chest.calls == [3]
    assert setting.account()["pending"] == 3
    setting.send()
    assert setting.chest.accepted == ids


def test_any_exception_of_a_backend_is_a_failure() -> None:
    """A backend that raises what it should not loses nothing."""

    def behave(ids: list[str]) -> None:
        raise ZeroDivisionError

    setting = Setting(behave)
    setting.put(3)
    setting.send()
    assert setting.account()["pending"] == 3


def test_trouble_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A store that stays down fills no log."""

    def behave(ids: list[str]) -> None:
        raise DeliveryError("down")

    setting = Setting(behave)
    setting.put(3)
    for _ in range(5):
        setting.send()
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "down" in warnings[0].getMessage()


def test_a_record_that_cannot_be_buried_is_kept() -> None:
    """Rejected records leave the buffer only once they are safe elsewhere."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("no")

    setting = Setting(behave)
    setting.put(1)

    def full_disk(chest: str, lines: Sequence[bytes], reason: str) -> None:
        raise OSError("full")

    setting.sender = Sender(setting.chest, setting.buffer, 10, setting, full_disk)
    setting.send()
    assert setting.account()["pending"] == 1
    assert setting.account()["rejected"] == 0


def test_a_flush_asked_for_while_a_try_fails_is_tried() -> None:
    """It does not wait for as long as that failure asks to."""

    def fail(_: list[str]) -> None:
        if len(setting.chest.calls) == 1:
            setting.sender.request_flush()
        raise DeliveryError("down", retry_after=600)

    setting = Setting(fail)
    setting.put(1)
    for _ in range(3):
        setting.sender.send()
    assert setting.chest.calls == [1, 1]


def test_a_flush_that_was_asked_for_is_answered_even_by_a_failure() -> None:
    """Who waits for a flush is told that it was tried."""

    def behave(ids: list[str]) -> None:
        raise DeliveryError("down")

    setting = Setting(behave)
    setting.put(1)
    done = setting.sender.request_flush()
    setting.sender.send()
    assert done.wait(0)


def test_signals_tell_of_batches_and_failures() -> None:
    """Receivers hear of each batch and each failure; one that raises is not felt."""
    failures = [DeliveryError("down")]

    def behave(ids: list[str]) -> None:
        if failures:
            raise failures.pop()

    setting = Setting(behave)
    setting.put(3)
    heard: list[tuple[str, object]] = []

    def delivered(sender: object, **details: object) -> None:
        heard.append(("delivered", details["count"]))
        raise ZeroDivisionError

    def failed(sender: object, **details: object) -> None:
        heard.append(("failed", str(details["error"])))

    with (
        batch_delivered.connected_to(delivered, setting),
        delivery_failed.connected_to(failed, setting),
    ):
        setting.send()
        setting.send()
    assert heard == [("failed", "down"), ("delivered", 3)]


def test_a_stop_ends_a_long_delivery() -> None:
    """When the process must end, what is left stays in the buffer."""
    setting = Setting(accept, batch_size=10)
    setting.put(100)
    called = threading.Event()

    def behave(ids: list[str]) -> None:
        called.set()
        setting.sender.stopped.set()

    setting.chest._behave = behave
    setting.send()
    assert called.is_set()
    assert setting.account()["pending"] == 90
