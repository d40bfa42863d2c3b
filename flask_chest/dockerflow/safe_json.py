"""Any Python value to JSON on one line, whatever the value is."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

# Deeper than any log line is read, far from Python's and orjson's own limits.
_MAX_DEPTH = 32

_MAX_BITS = 4096

_AS_THEY_ARE = frozenset((bool, type(None)))


def safe_repr(value: object) -> str:
    """``repr``, also of a value whose ``repr`` fails."""
    try:
        return _without_surrogates(repr(value))
    except Exception:  # noqa: BLE001 - somebody else's __repr__ may raise anything
        return f"<unprintable {type(value).__name__}>"


def safe_str(value: object) -> str:
    """``str``, also of a value whose ``str`` fails."""
    try:
        return _without_surrogates(str(value))
    except Exception:  # noqa: BLE001 - somebody else's __str__ may raise anything
        return safe_repr(value)


def to_line(value: object) -> str:
    """JSON in printable ASCII on one line.

    Not only a newline breaks a line: readers split at U+0085, U+2028 and U+2029 as well. ASCII has
    none of them, and any stream takes it, whatever its encoding.

    :param value: best of plain types; what is not is spelt by :func:`plain`.
    """
    try:
        line = orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair, a key that is no text, an integer past 64 bits.
        return json.dumps(plain(value))
    if line.isascii():
        return line.decode("ascii")
    return json.dumps(value, default=safe_repr)


def plain(value: object, depth: int = 0) -> Any:
    """The value, with all that JSON cannot carry spelt by ``repr``."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    try:
        if isinstance(value, str):
            return _without_surrogates(str.__str__(value))
        if isinstance(value, int):
            return _plain_int(value)
        if isinstance(value, float):
            return _plain_float(value)
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
            return [plain(item, depth + 1) for item in value]
        if depth < _MAX_DEPTH and isinstance(value, dict):
            return {_plain_key(key): plain(item, depth + 1) for key, item in value.items()}
    except Exception:  # noqa: BLE001 - a subclass may raise anything while it is looked through
        return safe_repr(value)
    return safe_repr(value)


def _plain_int(value: int) -> int | str:
    # Python refuses to spell out thousands of digits.
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
    """Half a surrogate pair is no Unicode text; it is spelt as its escape."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
