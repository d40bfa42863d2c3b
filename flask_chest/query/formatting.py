"""Formats values and numbers as text."""

from __future__ import annotations

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
