"""Converts any Python value to JSON on one line."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

# Far below Python's and orjson's own limits, and deep enough for any log line.
_MAX_DEPTH = 32

_MAX_BITS = 4096

_UNCHANGED_TYPES = frozenset((bool, type(None)))


def safe_repr(value: object) -> str:
    """Return the value's ``repr``, or a placeholder if ``repr`` fails."""
    try:
        return _without_surrogates(repr(value))
    except Exception:  # noqa: BLE001 - another class's __repr__ may raise anything
        return f"<unprintable {type(value).__name__}>"


def safe_str(value: object) -> str:
    """Return the value's ``str``, or its ``repr`` if ``str`` fails."""
    try:
        return _without_surrogates(str(value))
    except Exception:  # noqa: BLE001 - another class's __str__ may raise anything
        return safe_repr(value)


def to_line(value: object) -> str:
    """Return the value as JSON in printable ASCII, on one line.

    Besides newlines, some readers split lines at U+0085, U+2028 and U+2029. ASCII has none of them,
    and streams of any encoding accept it.

    :param value: the value; types that JSON does not have are converted by :func:`to_plain`.
    """
    try:
        line = orjson.dumps(value)
    except TypeError:
        # Lone surrogates, keys that are not strings, integers of more than 64 bits.
        return json.dumps(to_plain(value))
    if line.isascii():
        return line.decode("ascii")
    return json.dumps(value, default=safe_repr)


def to_plain(value: object, depth: int = 0) -> Any:
    """Return the value, with its ``repr`` for each part that JSON does not support."""
    kind = type(value)
    if kind in _UNCHANGED_TYPES:
        return value
    try:
        if isinstance(value, str):
            return _without_surrogates(str.__str__(value))
        if isinstance(value, int):
            return _plain_int(value)
        if isinstance(value, float):
            return _plain_float(value)
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
            return [to_plain(item, depth + 1) for item in value]
        if depth < _MAX_DEPTH and isinstance(value, dict):
            return {_plain_key(key): to_plain(item, depth + 1) for key, item in value.items()}
    except Exception:  # noqa: BLE001 - a subclass may raise anything while it is iterated
        return safe_repr(value)
    return safe_repr(value)


def _plain_int(value: int) -> int | str:
    # Python refuses to convert thousands of digits to text.
    number = int.__index__(value)
    return number if number.bit_length() <= _MAX_BITS else safe_repr(number)


def _plain_float(value: float) -> float | str:
    number = float.__float__(value)
    return number if math.isfinite(number) else repr(number)


def _plain_key(key: object) -> str:
    if isinstance(key, str):
        return _without_surrogates(str.__str__(key))
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    return safe_repr(key)


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which are not valid Unicode text, by their escapes."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
