"""How commands format numbers and draw trends."""

from __future__ import annotations

import pytest

from flask_chest.cli.output import sparkline
from flask_chest.query.formatting import format_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (7.0, "7"),
        (1234567.8, "1,234,568"),
        (99.994, "99.99"),
        (0.012345, "0.0123"),
        (-0.5, "-0.5"),
        (-1.5e308, "-1.5e+308"),
    ],
)
def test_format_number(value: float | None, text: str) -> None:
    """At least three significant digits, with separators for thousands."""
    assert format_number(value) == text


def test_sparkline() -> None:
    """The greatest value has the highest bar; zeros have the lowest."""
    assert sparkline([0, 1, 2, 4]) == "▁▂▄█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
