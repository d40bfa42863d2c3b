"""Turns comparisons with any number into equivalent ones with an integer or with a double."""

from __future__ import annotations

import math

# Beyond all integers that a store may hold, which have 64 bits. A double has these, too.
_LIMIT = 2**64


def as_integer(sign: str, number: float) -> tuple[str, int] | None:
    """The comparison of integers of up to 64 bits that is equivalent to this one.

    :param sign: ``=``, ``>``, ``>=``, ``<`` or ``<=``.
    :returns: the sign and an integer; ``None`` if no integer fulfils the comparison.
    """
    if number == (whole := math.floor(number)):
        return sign, min(max(whole, -_LIMIT), _LIMIT)
    if sign == "=":
        return None
    if sign in (">", ">="):
        return ">=", min(max(whole + 1, -_LIMIT), _LIMIT)
    return "<=", min(max(whole, -_LIMIT), _LIMIT)


def as_float(sign: str, number: float) -> tuple[str, float] | None:
    """The comparison of doubles that is equivalent to this one.

    :param sign: as for :func:`as_integer`.
    :returns: the sign and a double; ``None`` if no double fulfils the comparison.
    """
    nearest = float(number)
    if nearest == number:
        return sign, nearest
    # The number is an integer between two doubles.
    if sign == "=":
        return None
    if sign in (">", ">="):
        above = nearest if nearest > number else math.nextafter(nearest, math.inf)
        return (">=", above) if math.isfinite(above) else None
    below = nearest if nearest < number else math.nextafter(nearest, -math.inf)
    return ("<=", below) if math.isfinite(below) else None
