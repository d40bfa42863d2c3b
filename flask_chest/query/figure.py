"""How commands and pages spell a number."""

from __future__ import annotations

# Beyond that nobody counts digits.
_LONG = 1e15


def figure(value: float | None) -> str:
    """A number for people: three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= _LONG:
        return f"{value:.3g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
