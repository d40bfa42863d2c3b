"""Converts scalar values to plain text and numbers, and cleans text.

All conversions call the methods of the built-in base class: a subclass may override them with code
that raises or never returns.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from .text_cleaning import clean_text

INT_MIN, INT_MAX = -(2**63), 2**63 - 1

#: Characters of a name.
MAX_NAME = 255

# Decimal digits of an int that is stored as text.
_MAX_DIGITS = 4000


class NotPlainError(Exception):
    """A value has no plain form."""


def _int(value: Any) -> int | str:
    number = int.__int__(value)
    if INT_MIN <= number <= INT_MAX:
        return number
    # Python refuses to convert very long ones to text, because that takes quadratic time.
    if number.bit_length() > _MAX_DIGITS * 3:
        return f"<int of {number.bit_length()} bits>"
    return str(number)


def _float(value: Any) -> float | None:
    number = float.__float__(value)
    return number if number - number == 0 else None


_SCALARS: tuple[tuple[type, Any], ...] = (
    # Enums first: many are texts or numbers too.
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
    """Return the function that converts values of a type, or ``None`` for any other type."""
    for base, convert in _SCALARS:
        # The type, not the value: isinstance() would call a proxy's __class__.
        if issubclass(kind, base):
            return convert
    return None


def converted(convert: Any, value: object) -> Any:
    """Return a value converted to a text or a number.

    :param convert: the result of :func:`conversion`.
    :raises NotPlainError: the conversion failed.
    """
    try:
        return convert(value)
    except BaseException:  # noqa: BLE001 - a custom time zone may raise anything
        raise NotPlainError from None


def clean_name(name: object) -> str:
    """Return the name of a variable or a key as clean text of at most 255 characters."""
    return clean_text(key_text(name))


def key_text(key: object) -> str:
    """Return a key as text of at most 255 characters, not cleaned."""
    kind = type(key)
    if kind is str and len(key) <= MAX_NAME:  # type: ignore[arg-type]
        return key  # type: ignore[return-value]
    if issubclass(kind, str):
        return str.__str__(key)[:MAX_NAME]  # isinstance() would call the key's __class__
    if key is None or kind in (bool, float):
        return str(key)
    convert = conversion(kind)
    try:
        made = placeholder(key) if convert is None else converted(convert, key)
    except NotPlainError:
        return placeholder(key)
    return str(made)[:MAX_NAME] if type(made) in (str, int, float) else placeholder(key)


def placeholder(value: object) -> str:
    """Return ``<module.Class>`` for a value that has no plain form.

    This runs no code of the class.
    """
    try:
        kind = type(value)
        return clean_text(f"<{kind.__module__}.{kind.__qualname__}>"[:MAX_NAME])
    except BaseException:  # noqa: BLE001 - a custom metaclass may raise anything
        return "<unknown>"
