"""When delivery is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.delivery.backoff import retry_delay


@given(st.integers(1, 10_000))
def test_pauses_grow_and_stay_bounded(failures: int) -> None:
    """A pause is never longer than a minute, nor than the doubling allows."""
    assert 0 <= retry_delay(failures) <= min(60, 0.5 * 2 ** min(failures, 16))


def test_the_jitter_is_full() -> None:
    """Many clients that failed together do not come back together."""
    pauses = [retry_delay(6) for _ in range(500)]
    assert min(pauses) < 4
    assert max(pauses) > 24


@given(st.integers(1, 100), st.floats(0, 3600))
def test_a_backend_that_names_a_time_is_obeyed(failures: int, retry_after: float) -> None:
    """Never sooner than the backend asked, and hardly later."""
    assert retry_after <= retry_delay(failures, retry_after) <= retry_after + 1


@pytest.mark.parametrize("retry_after", [float("inf"), 1e12])
def test_a_time_that_never_comes(retry_after: float) -> None:
    """A backend that names one, by a slip of its clock say, is asked again the next day."""
    assert 86400 <= retry_delay(1, retry_after) <= 86401


@pytest.mark.parametrize("retry_after", [float("nan"), -1e12])
def test_a_time_that_is_none(retry_after: float) -> None:
    """What cannot be waited for says nothing."""
    assert 0 <= retry_delay(1, retry_after) <= 1
