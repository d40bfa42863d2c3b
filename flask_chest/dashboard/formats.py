"""How templates write numbers, times and values."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ..query.formatting import format_number, json_text

# What changes the direction of text, or is not seen: shown, so that no value can pose as another.
_HIDDEN = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), 0x7F, *range(0x200B, 0x2010), *range(0x202A, 0x202F))
    if code != 0x0A
}
_HIDDEN |= {code: f"\\u{code:04x}" for code in (*range(0x2060, 0x2070), 0xFEFF)}


def percent(value: float) -> str:
    """A share as percents."""
    percents = value * 100
    return f"{percents:,.0f} %" if abs(percents) >= 1000 else f"{percents:.3g} %"


def moment(value: datetime) -> str:
    """A time of ISO 8601, UTC, for the attribute of ``<time>``."""
    return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def words(value: datetime | str) -> str:
    """A time as people without scripts see it."""
    text = moment(value) if isinstance(value, datetime) else value
    return f"{text[:19].replace('T', ' ')} UTC"


def value(value: Any) -> str:
    """Any value as text in which nothing is hidden."""
    if isinstance(value, float):
        return json_text(value)  # as filters take it
    is_text = isinstance(value, str)
    text: str = value if is_text else json.dumps(value, ensure_ascii=False, default=str)
    return text.translate(_HIDDEN)


def short(text: Any) -> str:
    """The same in one line of a table."""
    line = value(text).replace("\n", " ")
    return line if len(line) <= 60 else f"{line[:59]}…"


def can_be_asked_for(text: str) -> bool:
    """Whether a filter finds this value: spaces around it are not the value's, nor is nothing."""
    return bool(text) and text == text.strip()


FILTERS: dict[str, Callable[..., Any]] = {
    "number": format_number,
    "percent": percent,
    "moment": moment,
    "words": words,
    "value": value,
    "short": short,
    "can_be_asked_for": can_be_asked_for,
}
