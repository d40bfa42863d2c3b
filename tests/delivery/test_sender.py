"""The sender: batches, retries, and rejected records that become dead letters."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest
from blinker import NamedSignal
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.chests.base import Chest
from flask_chest.delivery.memory_buffer import MemoryBuffer
from flask_chest.delivery.sender import Sender
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.record.json_line import encode, from_microseconds
from flask_chest.record.record import Record
from flask_chest.signals import announce, batch_delivered, delivery_failed


class ScriptedChest(Chest):
    """Calls a function with the ids of each batch, and stores the batch unless it raises."""

    def __init__(self, behave: Callable[[list[str]], None]) -> None:
        super().__init__(name="scripted")
        self.accepted: list[str] = []
        self.calls: list[int] = []
        self._behave = behave

    def write(self, records: Sequence[Record]) -> None:
        ids = [record.id for record in records]
        self.calls.append(len(ids))
        self._behave(ids)
        self.accepted += ids


class Setting:
    """A buffer, a sender, and a list of dead letters."""

    def __init__(self, behave: Callable[[list[str]], None], batch_size: int = 100) -> None:
        self.chest = ScriptedChest(behave)
        self.buffer = MemoryBuffer(["scripted"], 2**20, lambda *_: None)
        self.dead_letters: list[tuple[int, str]] = []
        self.sender = Sender(
            self.chest, self.buffer, batch_size, self._announce, self._add_dead_letters
        )

    def put(self, count: int) -> list[str]:
        return self.put_more(0, count)

    def put_more(self, first: int, count: int) -> list[str]:
        ids = [f"{number:032x}" for number in range(first, first + count)]
        for each in ids:
            self.buffer.append(encode(Record(id=each, time=from_microseconds(0))), 1)
        return ids

    def send(self) -> None:
        self.sender.request_flush()
        self.sender.send()

    def account(self) -> dict[str, object]:
        return self.buffer.ledger().account("scripted").to_dict()

    def _announce(self, signal: NamedSignal, **details: object) -> None:
        announce(signal, self, **details)

    def _add_dead_letters(self, chest: str, lines: Sequence[bytes], reason: str) -> None:
        self.dead_letters.append((len(lines), reason))


def accept(ids: list[str]) -> None:
    """Accept the batch."""


def test_everything_is_delivered_in_batches() -> None:
    """Batches have the configured size, and records keep the order of capture."""
    setting = Setting(accept, batch_size=40)
    ids = setting.put(100)
    setting.send()
    assert setting.chest.accepted == ids
    assert setting.chest.calls == [40, 40, 20]


def test_records_that_arrive_meanwhile_wait_for_the_next_tick() -> None:
    """The records of a busy app are not sent in batches of two or three."""

    def append_more(_: list[str]) -> None:
        if len(setting.chest.calls) < 20:
            setting.put(3)

    setting = Setting(append_more, batch_size=40)
    setting.put(100)
    setting.sender.send()
    assert setting.chest.calls == [40, 40, 26]
    setting.sender.send()
    assert setting.chest.calls == [40, 40, 26, 3]
    setting.send()  # a flush sends them at once
    assert setting.account()["pending"] == 0


def test_rejected_records_that_the_store_did_not_name() -> None:
    """Only their number is known: the ledger has it, and no record is sent again."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("two of them", unnamed=2)

    setting = Setting(behave, batch_size=10)
    setting.put(20)
    setting.send()
    assert setting.chest.calls == [10, 10]
    assert setting.dead_letters == []
    account = setting.account()
    assert (account["delivered"], account["rejected"], account["pending"]) == (16, 4, 0)


@given(st.sets(st.integers(0, 63), max_size=6))
def test_a_rejected_batch_is_halved_until_the_bad_records_are_alone(bad: set[int]) -> None:
    """Only the bad records become dead letters; all others are stored once."""

    def behave(ids: list[str]) -> None:
        if any(int(each, 16) in bad for each in ids):
            raise RejectedError("not this one")

    setting = Setting(behave, batch_size=64)
    ids = setting.put(64)
    setting.send()
    assert setting.chest.accepted == [each for each in ids if int(each, 16) not in bad]
    assert setting.dead_letters == [(1, "not this one")] * len(bad)
    assert setting.account()["rejected"] == len(bad)
    assert setting.account()["pending"] == 0


def test_rejected_records_that_the_store_named() -> None:
    """They become dead letters without a further attempt; the others count as delivered."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("two of them", record_ids=ids[:2])

    setting = Setting(behave)
    setting.put(10)
    setting.send()
    assert setting.chest.calls == [10]
    assert setting.dead_letters == [(2, "two of them")]
    account = setting.account()
    assert (account["delivered"], account["rejected"]) == (8, 2)


def test_a_failed_batch_is_retried_after_the_backoff_or_by_a_flush() -> None:
    """Its records stay in the buffer; the next tick does not send them, a flush does."""
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


def test_any_exception_of_a_chest_is_a_failure() -> None:
    """An unexpected exception does not lose a record."""

    def behave(ids: list[str]) -> None:
        raise ZeroDivisionError

    setting = Setting(behave)
    setting.put(3)
    setting.send()
    assert setting.account()["pending"] == 3


def test_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A store that stays down does not fill the log."""

    def behave(ids: list[str]) -> None:
        raise DeliveryError("down")

    setting = Setting(behave)
    setting.put(3)
    for _ in range(5):
        setting.send()
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "down" in warnings[0].getMessage()


def test_a_record_stays_if_its_dead_letter_cannot_be_written() -> None:
    """A rejected record leaves the buffer only when its dead letter is on disk."""

    def behave(ids: list[str]) -> None:
        raise RejectedError("no")

    setting = Setting(behave)
    setting.put(1)

    def full_disk(chest: str, lines: Sequence[bytes], reason: str) -> None:
        raise OSError("full")

    setting.sender = Sender(setting.chest, setting.buffer, 10, setting._announce, full_disk)
    setting.send()
    assert setting.account()["pending"] == 1
    assert setting.account()["rejected"] == 0


def test_a_flush_that_is_requested_during_a_failing_attempt() -> None:
    """It sends again at once, in spite of the failure's Retry-After."""

    def fail(_: list[str]) -> None:
        if len(setting.chest.calls) == 1:
            setting.sender.request_flush()
        raise DeliveryError("down", retry_after=600)

    setting = Setting(fail)
    setting.put(1)
    for _ in range(3):
        setting.sender.send()
    assert setting.chest.calls == [1, 1]


def test_a_flush_ends_after_a_failure() -> None:
    """The event is set when the records have been tried."""

    def behave(ids: list[str]) -> None:
        raise DeliveryError("down")

    setting = Setting(behave)
    setting.put(1)
    done = setting.sender.request_flush()
    setting.sender.send()
    assert done.wait(0)


def test_signals_for_batches_and_failures() -> None:
    """Each batch and each failure sends a signal; a receiver that raises does no harm."""
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
    """After a stop the remaining records stay in the buffer."""
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
