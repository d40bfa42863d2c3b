"""What becomes of a value that holds no others: a text or a number, by its base's own methods."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ..typing import Plain

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


#: Characters of a name.
MAX_NAME = 255


_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text that every store can hold: no NUL, no lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def clean_shallow(value: Plain) -> Plain:
    """A plain value whose texts may not be clean: it is one, or a dict of them."""
    if type(value) is str:
        return clean_text(value)
    if type(value) is dict:
        return {clean_text(name): clean_shallow(item) for name, item in value.items()}
    return value


def clean_name(name: object) -> str:
    """The name of a variable or a key, as text of at most 255 characters."""
    return clean_text(key_text(name))


def key_text(key: object) -> str:
    """A key as text of at most 255 characters, which may not be clean."""
    kind = type(key)
    if kind is str and len(key) <= MAX_NAME:  # type: ignore[arg-type]
        return key  # type: ignore[return-value]
    if issubclass(kind, str):
        return str.__str__(key)[:MAX_NAME]  # isinstance() would ask the key
    if key is None or kind in (bool, float):
        return str(key)
    convert = conversion(kind)
    try:
        made = placeholder(key) if convert is None else converted(convert, key)
    except NotPlainError:
        return placeholder(key)
    return str(made)[:MAX_NAME] if type(made) in (str, int, float) else placeholder(key)


def placeholder(value: object) -> str:
    """A short stand-in for a value that has no plain spelling; runs no code of its class."""
    try:
        kind = type(value)
        return clean_text(f"<{kind.__module__}.{kind.__qualname__}>"[:MAX_NAME])
    except BaseException:  # noqa: BLE001 - a metaclass of theirs, even SystemExit
        return "<unknown>"
