"""A record that makes its store fail is given up, but an outage of the store loses no record."""

from __future__ import annotations

import random

import pytest

from flask_chest.errors import DeliveryError

from .test_sender import Setting


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("error", [DeliveryError("HTTP 500"), KeyError("request_id")])
@pytest.mark.parametrize("place", [0, 1, 57])
def test_a_record_that_always_fails(count: int, error: Exception, place: int) -> None:
    """The others are delivered once, and it becomes a dead letter with the reason."""
    place %= count
    poison = f"{place:032x}"

    def behave(ids: list[str]) -> None:
        if poison in ids:
            raise error

    setting = Setting(behave)
    ids = setting.put(count)
    for _ in range(40):
        setting.send()
    if place == count - 1:  # nothing is behind it yet, so it delays nothing
        assert setting.account()["pending"] == 1
        setting.put_more(count, 1)
        ids.append(f"{count:032x}")
        for _ in range(40):
            setting.send()
    assert setting.chest.accepted == [each for each in ids if each != poison]
    [(number, reason)] = setting.dead_letters
    assert number == 1
    assert reason == f"the store fails for this record, but accepts others: {error}"
    assert (setting.account()["rejected"], setting.account()["pending"]) == (1, 0)


def test_several_records_in_a_row() -> None:
    """Neighbours that fail are given up together, and one that failed by chance is delivered."""
    failures = {f"{number:032x}": 10**6 for number in (3, 4, 6)}
    failures[f"{5:032x}"] = 3

    def behave(ids: list[str]) -> None:
        for each in ids:
            if failures.get(each, 0) > 0:
                failures[each] -= 1
                raise DeliveryError("HTTP 500")

    setting = Setting(behave)
    ids = setting.put(20)
    for _ in range(80):
        setting.send()
    bad = {each for each, count in failures.items() if count > 0}
    assert len(bad) == 3
    assert set(setting.chest.accepted) == set(ids) - bad
    assert len(setting.chest.accepted) == len(ids) - len(bad)
    assert len(setting.dead_letters) == 3
    assert setting.account()["pending"] == 0


@pytest.mark.parametrize("error", [DeliveryError("no route to host"), OSError("refused")])
def test_an_outage_loses_nothing(error: Exception) -> None:
    """However long a store fails for all records, none is given up."""
    is_down = [True]

    def behave(ids: list[str]) -> None:
        if is_down[0]:
            raise error

    setting = Setting(behave)
    ids = setting.put(50)
    for _ in range(100):
        setting.send()
    assert setting.dead_letters == []
    is_down[0] = False
    setting.send()
    assert setting.chest.accepted == ids


def test_a_busy_store_loses_nothing() -> None:
    """A store that limits the rate accepts some records; the others wait as long as it says."""
    chance = random.Random(7)

    def behave(ids: list[str]) -> None:
        if chance.random() < 0.9:
            raise DeliveryError("HTTP 429", retry_after=1)

    setting = Setting(behave)
    ids = setting.put(50)
    while setting.account()["pending"]:
        setting.send()
    assert setting.chest.accepted == ids
    assert setting.dead_letters == []


def test_an_unstable_store_loses_nothing() -> None:
    """A store that fails every other call by chance is not mistaken for a bad record."""
    chance = random.Random(7)

    def behave(ids: list[str]) -> None:
        if chance.random() < 0.5:
            raise DeliveryError("HTTP 500")

    setting = Setting(behave, batch_size=10)
    ids = setting.put(1000)
    while setting.account()["pending"]:
        setting.send()
    assert setting.chest.accepted == ids
    assert setting.dead_letters == []
