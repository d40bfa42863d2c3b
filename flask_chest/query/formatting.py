"""Formats values and numbers as text."""

from __future__ import annotations

import orjson

# Digits of greater numbers do not matter to a reader.
_MAX_WRITTEN_OUT = 1e15


def format_number(value: float | None) -> str:
    """A number for people, with three significant digits; ``-`` for ``None``."""
    if value is None:
        return "-"
    if abs(value) >= _MAX_WRITTEN_OUT:
        return f"{value:.3g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def value_text(value: object) -> str | None:
    """A value as the stores return it as text; ``None`` stays ``None``."""
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def json_text(value: object) -> str:
    """A value as JSON writes it: 1e-7, where Python writes 1e-07."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return str(value)  # an int beyond 64 bits
