"""What becomes of a value that holds no others: a text or a number, by its base's own methods."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_MAX_DIGITS = 4000


class NotPlainError(Exception):
    """A value has no spelling in JSON."""


def _int(value: Any) -> int | str:
    number = int.__int__(value)
    if INT_MIN <= number <= INT_MAX:
        return number
    # Python refuses to spell out very long ones, since that takes quadratic time.
    if number.bit_length() > _MAX_DIGITS * 3:
        return f"<int of {number.bit_length()} bits>"
    return str(number)


def _float(value: Any) -> float | None:
    number = float.__float__(value)
    return number if number - number == 0 else None


_SCALARS: tuple[tuple[type, Any], ...] = (
    # Enums first: many are texts or numbers too. All by the base's own methods.
    (Enum, lambda value: object.__getattribute__(value, "_value_")),
    (str, str.__str__),
    (int, _int),
    (float, _float),
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (UUID, UUID.__str__),
    (Decimal, Decimal.__str__),
)


def conversion(kind: type) -> Any:
    """What turns values of a type into a text or a number; ``None`` for any other type."""
    for base, convert in _SCALARS:
        # Of the type, not of the value: isinstance() would ask a proxy's __class__.
        if issubclass(kind, base):
            return convert
    return None


def converted(convert: Any, value: object) -> Any:
    """A value, turned by its type's conversion.

    :raises NotPlainError: it has none, whatever its class promises.
    """
    try:
        return convert(value)
    except BaseException:  # noqa: BLE001 - a time zone of theirs, even SystemExit
        raise NotPlainError from None
