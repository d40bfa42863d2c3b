"""Converts durations such as ``30 days`` to seconds."""

from __future__ import annotations

import re
from typing import Any

from .value_types import is_number

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*", re.I)

# Without "m", which may mean minutes or months.
_SECONDS = {
    **dict.fromkeys(("s", "second"), 1),
    **dict.fromkeys(("min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3600),
    **dict.fromkeys(("d", "day"), 86400),
    **dict.fromkeys(("w", "week"), 7 * 86400),
    "month": 30 * 86400,
    "year": 365 * 86400,
}

# So that "now minus the duration" is still a valid date.
_MAX_DURATION = 100 * _SECONDS["year"]


def seconds(value: Any) -> float:
    """Return a duration in seconds, from a number of seconds or a text such as ``"30 days"``.

    :raises ValueError: the value is something else.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[2].lower() in _SECONDS:
        value = float(match[1]) * _SECONDS[match[2].lower()]
    if is_number(value) and 0 < value <= _MAX_DURATION:
        return float(value)
    # A text with a bare number has no known unit: the user may mean days.
    number = "" if isinstance(value, str) else ", or a number of seconds"
    raise ValueError(f"expected a duration up to 100 years, e.g. '30 days' or '12 hours'{number}")


def retention(value: Any) -> float:
    """Return a retention period in seconds, and refuse values that look like a mistake.

    :raises ValueError: the value is no duration, or a small number that probably counts days.
    """
    if is_number(value) and 0 < value < _SECONDS["hour"]:
        raise ValueError(f"a plain number is seconds; write '{value} days' or '{value} seconds'")
    return seconds(value)
