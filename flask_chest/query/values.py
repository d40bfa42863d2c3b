"""Compares and spells values: the rules of ``docs/meaning.rst``."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from typing import TypeGuard

import orjson

from .time_intervals import to_utc

# Whole numbers in this range are spelt in digits.
_LEAST_WHOLE, _GREATEST_WHOLE = -(2**63), 2**64 - 1
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Python refuses to convert longer texts, since that takes quadratic time.
_MAX_DIGITS = 4000


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number; ``True`` and ``False`` are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def spelling(value: object) -> str | None:
    """A value as text, the same for equal values; ``None`` stays ``None``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_spelling(value)
    if isinstance(value, datetime):
        return f"{to_utc(value):%Y-%m-%dT%H:%M:%S.%f}Z"
    return _json(value)


def number_spelling(number: float) -> str:
    """The spelling of a number: ``5`` for 5.0, ``1e22``, ``0.1``."""
    if isinstance(number, int):
        return str(number)
    if number.is_integer() and _LEAST_WHOLE <= number <= _GREATEST_WHOLE:
        return str(int(number))
    digits, _, exponent = repr(number).partition("e")
    return f"{digits}e{int(exponent)}" if exponent else digits  # 1e22, where Python writes 1e+22


def _json(value: object) -> str:
    """JSON without spaces, with sorted names."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    return spelling(value) or "null"


def document_spelling(text: str) -> str:
    """The spelling of a list or an object that a database returns as a text of JSON."""
    return _json(orjson.loads(text))


def read_number(text: str) -> int | float | None:
    """The number that a text stands for, as JSON writes numbers; ``None`` if it is no number.

    A number beyond the greatest double is none.
    """
    found = _JSON_NUMBER.fullmatch(text)
    if found is None or len(text) > _MAX_DIGITS:
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return number if found[1] or found[2] else int(text)


def fold(text: str) -> str:
    """A text for a search that ignores case: normal form C, with full case folding."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def in_quotes(text: str) -> str:
    """A text in double quotes, which the names and the values of filters accept."""
    return '"' + text.replace('"', '""') + '"'


def unquote(text: str) -> str | None:
    """The text inside of double quotes; ``None`` if the text is not in double quotes."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return None
    inside = text[1:-1]
    if '"' in inside.replace('""', ""):
        return None
    return inside.replace('""', '"')
