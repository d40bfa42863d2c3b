"""What becomes of a value that a view put on ``g``: plain JSON, of bounded size, never an error.

=====================================  ========================================================
on ``g``                               in the record
=====================================  ========================================================
text                                   itself; NUL becomes U+2400, a lone surrogate U+FFFD
int                                    itself; outside of 64 bits its digits, as text
float                                  itself; NaN and infinities become null
bool, None                             themselves
dict                                   itself, keys as text, keys redacted at any depth
list, tuple                            a list
set, frozenset                         a list, sorted where its items can be
datetime, date                         ISO 8601
UUID, Decimal                          their text
Enum                                   its value
dataclass                              a dict of its fields
a value over the byte limit            cut; text and lists end with the mark, a dict has it as a key
a value that holds itself              the inner one is ``…[cycle]``
more than 16 levels                    ``…[deep]``
anything else                          ``<module.Class>`` where it was named, else left out
=====================================  ========================================================
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from .typing import Plain

REDACTED = "[REDACTED]"
CUT = "…[cut]"
CYCLE = "…[cycle]"
DEEP = "…[deep]"

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_MAX_DEPTH = 16
_MAX_NAME = 255
# Names come from code, but keys may come from users: what is remembered must not grow with them.
_MAX_REMEMBERED = 4096
_MAX_DIGITS = 4000
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotPlainError(Exception):
    """A value has no spelling in JSON."""


class Redaction:
    """Says which names are redacted.

    :param patterns: globs; case does not matter.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        joined = "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)
        self._pattern = re.compile(joined) if joined else None
        self._remembered: dict[str, bool] = {}

    def hides(self, name: str) -> bool:
        """Whether the value of this name must not be stored."""
        if self._pattern is None:
            return False
        known = self._remembered.get(name)
        if known is None:
            known = self._pattern.match(name.lower()) is not None
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[name] = known
        return known


class Normalizer:
    """Turns values into plain ones.

    :param redaction: names of dict keys whose values are hidden, at any depth.
    :param max_bytes: UTF-8 bytes that one value may have.
    """

    def __init__(self, redaction: Redaction, max_bytes: int) -> None:
        self._redaction = redaction
        self.max_bytes = max_bytes
        #: A text of so many characters fits, whatever they are: none takes more than 4 bytes.
        self.short = max_bytes // 4

    def plain(self, value: object) -> Plain:
        """The plain spelling of a value.

        :raises NotPlainError: it has none.
        """
        return _Walk(self._redaction, self.max_bytes).plain(value, 0)


class _Walk:
    """One value on its way: what is left of its bytes, and what it is inside of."""

    def __init__(self, redaction: Redaction, budget: int) -> None:
        self._redaction = redaction
        self._left = budget
        self._inside: set[int] = set()

    def plain(self, value: object, depth: int) -> Plain:
        kind = type(value)
        if value is None or kind is bool:
            return self._spend(4, value)  # type: ignore[arg-type]  # None or bool
        for base, convert in _SCALARS:
            # Of the type, not of the value: isinstance() would ask a proxy's __class__.
            if issubclass(kind, base):
                return self._scalar(convert, value, depth)
        if issubclass(kind, _CONTAINERS) or hasattr(kind, "__dataclass_fields__"):
            return self._container(value, kind, depth)
        raise NotPlainError

    def _scalar(self, convert: Any, value: object, depth: int) -> Plain:
        try:
            made = convert(value)
        except Exception:  # noqa: BLE001 - a subclass of theirs may raise anything
            raise NotPlainError from None
        if isinstance(made, str):
            return self._text(made)
        if type(made) in (int, float):
            return self._spend(8, made)
        return None if made is None else self.plain(made, depth + 1)

    def _text(self, text: str) -> str:
        text = clean_text(text[: self._left + 1]) if len(text) > self._left else clean_text(text)
        encoded = text.encode()
        if len(encoded) > self._left:
            text = encoded[: self._left].decode(errors="ignore") + CUT
        self._left -= min(len(encoded), self._left)
        return text

    def _container(self, value: Any, kind: type, depth: int) -> Plain:
        if id(value) in self._inside:
            return CYCLE
        if depth >= _MAX_DEPTH:
            return DEEP
        self._inside.add(id(value))
        try:
            if issubclass(kind, dict):
                return self._mapping(dict.items(value), dict.__len__(value), depth)
            if issubclass(kind, _SEQUENCES):
                return self._sequence(kind, value, depth)
            return self._mapping(_dataclass_items(value), len(fields(value)), depth)
        except RuntimeError:
            # Another thread changed it while it was walked.
            raise NotPlainError from None
        finally:
            self._inside.discard(id(value))

    def _mapping(self, items: Iterable[tuple[Any, Any]], count: int, depth: int) -> Plain:
        made: dict[str, Plain] = {}
        for seen, (key, value) in enumerate(items):
            if self._left <= 0:
                made[CUT] = count - seen
                break
            name = self._text(_key_text(key))
            hidden = self._redaction.hides(name)
            made[name] = REDACTED if hidden else self._inner(value, depth)
        return made

    def _sequence(self, kind: type, value: Any, depth: int) -> Plain:
        made: list[Plain] = []
        for item in _base_iter(kind, value):
            if self._left <= 0:
                made.append(CUT)
                return made
            made.append(self._inner(item, depth))
        return _sorted(made) if issubclass(kind, (set, frozenset)) else made

    def _inner(self, value: object, depth: int) -> Plain:
        try:
            return self.plain(value, depth + 1)
        except NotPlainError:
            return placeholder(value)

    def _spend(self, size: int, value: Plain) -> Plain:
        self._left -= size
        return value


def placeholder(value: object) -> str:
    """A short stand-in for a value that has no plain spelling; runs no code of its class."""
    try:
        kind = type(value)
        return clean_text(f"<{kind.__module__}.{kind.__qualname__}>"[:_MAX_NAME])
    except Exception:  # noqa: BLE001 - a metaclass of theirs may raise anything
        return "<unknown>"


def clean_text(text: str) -> str:
    """Text that every store can hold: no NUL, no lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def clean_name(name: object) -> str:
    """The name of a variable or a key, as text of at most 255 characters."""
    return clean_text(_key_text(name))


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)[:_MAX_NAME]
    if key is None or type(key) in (bool, int, float, UUID, date):
        try:
            return str(key)[:_MAX_NAME]
        except ValueError:  # an int of more digits than Python will spell out
            return "<int>"
    return placeholder(key)


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
    # Enums first: many are texts or numbers too.
    (Enum, lambda value: value.value),
    (str, str.__str__),
    (int, _int),
    (float, _float),
    (date, lambda value: value.isoformat()),
    (UUID, lambda value: str(value)),
    (Decimal, lambda value: str(value)),
)
_SEQUENCES = (list, tuple, set, frozenset)
_CONTAINERS = (dict, *_SEQUENCES)


def _base_iter(kind: type, value: Any) -> Iterator[Any]:
    # The iteration of the built-in type: a subclass may have one that raises, or never ends.
    for base in _SEQUENCES:
        if issubclass(kind, base):
            iterator: Iterator[Any] = base.__iter__(value)
            return iterator
    raise NotPlainError


def _dataclass_items(value: Any) -> Iterator[tuple[str, Any]]:
    for each in fields(value):
        try:
            yield each.name, getattr(value, each.name)
        except BaseException as error:  # noqa: BLE001 - a property of theirs, even SystemExit
            yield each.name, f"<{type(error).__name__}>"


def _sorted(items: list[Plain]) -> list[Plain]:
    try:
        return sorted(items)  # type: ignore[type-var]  # refused below where it cannot be
    except TypeError:
        return items
