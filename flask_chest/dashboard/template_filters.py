"""Template filters that format numbers, times and values."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ..query.fields import Field
from ..query.filter_parsing import group_filter
from ..query.formatting import count_text, format_number, percentile_texts
from ..query.values import number_spelling, spelling

# Control characters, and invisible ones that may change the direction of text. They are shown as
# escapes, so that no value can look like another one.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_MAX_LENGTH = 60
# Longer values are shown, but have no link.
_MAX_FILTER_LENGTH = 500


def percent(value: float) -> str:
    """Format a fraction as a percentage."""
    percents = value * 100
    return f"{percents:,.0f} %" if abs(percents) >= 1000 else f"{percents:.3g} %"


def iso_time(value: datetime) -> str:
    """Format a time as ISO 8601 in UTC, for the attribute of ``<time>``."""
    return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def readable_time(value: datetime | str) -> str:
    """Format a time for readers without JavaScript."""
    text = iso_time(value) if isinstance(value, datetime) else value
    return f"{text[:19].replace('T', ' ')} UTC"


def value(value: Any) -> str:
    """Format any value as text without hidden characters."""
    if isinstance(value, float):
        return number_spelling(value)  # the form that filters accept
    is_text = isinstance(value, str)
    text: str = value if is_text else json.dumps(value, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def short(text: Any) -> str:
    """Format any value as one line of a table."""
    line = value(text).replace("\n", " ")
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def can_be_filtered(text: str) -> bool:
    """Return whether a link can filter by this value; a URL has a limited length."""
    return len(text) <= _MAX_FILTER_LENGTH


def filter_of(value: Any, field: Field) -> str:
    """Return the filter that finds the records with a value, as a user would type it.

    :param value: any value, or its spelling; ``None`` finds the records without a value.
    """
    return str(group_filter(field, spelling(value)))


#: Filters by name; in templates each name has the prefix ``chest_``.
FILTERS: dict[str, Callable[..., Any]] = {
    "number": format_number,
    "count": count_text,
    "percentiles": percentile_texts,
    "percent": percent,
    "iso_time": iso_time,
    "readable_time": readable_time,
    "value": value,
    "short": short,
    "can_be_filtered": can_be_filtered,
    "filter_of": filter_of,
    "spelling": spelling,
}
