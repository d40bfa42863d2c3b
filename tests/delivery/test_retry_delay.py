"""The delay before a retry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.delivery.retry_delay import retry_delay


@given(st.integers(1, 10_000))
def test_delays_grow_up_to_a_limit(failures: int) -> None:
    """A delay is at most a minute, and at most what the doubling allows."""
    assert 0 <= retry_delay(failures) <= min(60, 0.5 * 2 ** min(failures, 16))


def test_the_jitter_is_full() -> None:
    """Clients that failed at the same moment do not retry at the same moment."""
    delays = [retry_delay(6) for _ in range(500)]
    assert min(delays) < 4
    assert max(delays) > 24


@given(st.integers(1, 100), st.floats(0, 3600))
def test_retry_after_is_obeyed(failures: int, retry_after: float) -> None:
    """The delay is at least the requested time, and at most a second longer."""
    assert retry_after <= retry_delay(failures, retry_after) <= retry_after + 1


@pytest.mark.parametrize("retry_after", [float("inf"), 1e12])
def test_retry_after_is_limited_to_a_day(retry_after: float) -> None:
    """A server with a wrong clock may request an endless delay."""
    assert 86400 <= retry_delay(1, retry_after) <= 86401


@pytest.mark.parametrize("retry_after", [float("nan"), -1e12])
def test_an_invalid_retry_after_is_ignored(retry_after: float) -> None:
    """NaN and negative times do not count."""
    assert 0 <= retry_delay(1, retry_after) <= 1
