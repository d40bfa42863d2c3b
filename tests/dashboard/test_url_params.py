"""URL parameters of the dashboard."""

from __future__ import annotations

import pytest

from flask_chest.dashboard.url_params import MAX_INTERVALS, interval_length


@pytest.mark.parametrize("seconds", [0.5, 900, 86_400, 365 * 86_400, 2.5e11])
def test_number_of_intervals(seconds: float) -> None:
    """A range of any length has at most 100 intervals."""
    assert seconds / interval_length(seconds) <= MAX_INTERVALS
