"""The simulation behind the page on scale: it keeps its accounts, and knows the simple cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet import DAY, Course, Fleet, Outage, Traffic, simulate

HOUR = 3600.0


def fleet(rate: float = 1000, room: float = 1e6, machines: int = 1) -> Fleet:
    """Machines whose journals have room for so many records."""
    return Fleet(
        machines=machines,
        agent_rate=rate / machines,
        store_rate=rate,
        journal_bytes=room * 100 / machines,
        journal_record=100,
    )


@given(
    mean=st.floats(0, 5000),
    peak=st.floats(1, 2),
    rate=st.floats(1, 5000),
    room=st.floats(100, 1e6),
    outage=st.tuples(st.floats(0, HOUR), st.floats(0, HOUR)),
)
def test_every_record_is_somewhere(
    mean: float, peak: float, rate: float, room: float, outage: tuple[float, float]
) -> None:
    """Captured = delivered + pending + lost, as in the ledger."""
    down = Outage(begin=outage[0], seconds=outage[1])
    course = simulate(fleet(rate, room, 3), Traffic(mean=mean, peak=peak), HOUR, [down], step=10)
    total = course.delivered + course.waiting + course.lost
    assert total == pytest.approx(course.arrived)
    assert min(course.delivered, course.waiting, course.lost) >= 0
    assert course.waiting <= course.most_waiting * 1.000001 <= room * 1.00001


def test_a_day_of_traffic() -> None:
    """A wave around the mean adds nothing to it; enough capacity delivers at once."""
    course = simulate(fleet(), Traffic(mean=400, peak=2), DAY, step=10)
    assert course.arrived == pytest.approx(400 * DAY)
    assert course.delivered == pytest.approx(course.arrived)
    assert course.longest_wait == 0
    assert course.caught_up is None


def outage_of(seconds: float, room: float = 1e6) -> Course:
    down = Outage(begin=100, seconds=seconds, noticed=20)
    return simulate(fleet(1000, room), Traffic(mean=600), HOUR, [down])


def test_an_outage_is_caught_up_with() -> None:
    """What came meanwhile waits, and goes at the rate that is left beside what comes."""
    course = outage_of(280)
    assert course.most_waiting == pytest.approx(600 * 300, rel=0.01)
    assert course.longest_wait == pytest.approx(300, rel=0.02)
    assert course.caught_up == pytest.approx(400 + 600 * 300 / (1000 - 600), rel=0.01)
    assert course.lost == 0


def test_a_journal_that_is_too_small_loses_the_oldest() -> None:
    """What an outage brings beyond its room is lost, and no more."""
    course = outage_of(280, room=100_000)
    assert course.lost == pytest.approx(600 * 300 - 100_000, rel=0.01)
    assert course.most_waiting == 100_000
    assert course.longest_wait == pytest.approx(100_000 / 600, rel=0.02)


def test_too_few_agents_never_catch_up() -> None:
    """More comes than goes: the wait grows to the end."""
    course = simulate(fleet(500), Traffic(mean=600), HOUR)
    assert course.waiting == pytest.approx(100 * HOUR, rel=0.01)
    assert course.caught_up is None
