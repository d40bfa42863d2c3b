"""Normalizes values on ``g`` to plain JSON of limited size; never raises because of a value.

=====================================  ========================================================
value on ``g``                         value in the record
=====================================  ========================================================
text                                   unchanged; NUL becomes U+2400, a lone surrogate U+FFFD
int                                    unchanged; beyond 64 bits its digits, as text
float                                  unchanged; NaN and infinities become null
bool, None                             unchanged
dict                                   a dict with keys as text, redacted at any depth
list, tuple                            a list; of two items, a sensitive name redacts the other one
named tuple                            a dict of the fields
set, frozenset                         a list, sorted if the items can be sorted
datetime, date                         ISO 8601
UUID, Decimal                          the value as text
Enum                                   the member's value
dataclass                              a dict of the fields; for a row that SQLAlchemy maps as a
                                       dataclass, a dict of the loaded fields
a value over the byte limit            cut; text and lists end with the mark, a dict has it as a key
a value that contains itself           ``…[cycle]`` in place of the inner one
more than 16 levels                    ``…[deep]``
anything else                          ``<module.Class>`` if the variable was named, else left out
=====================================  ========================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import partial
from itertools import islice
from typing import Any

from ..typing import Plain
from .redaction import REDACTED, Redaction
from .scalar_conversion import (
    INT_MAX,
    INT_MIN,
    MAX_NAME,
    NotPlainError,
    conversion,
    converted,
    key_text,
    placeholder,
)
from .truncation import CUT, truncate_text

CYCLE = "…[cycle]"
DEEP = "…[deep]"

_MAX_DEPTH = 16
# How often a container is read again because another thread changes it.
_MAX_TRIES = 100
# Entries of a dict that is copied in one step.
_MAX_FLAT = 64
# Bytes that a number counts for, with its separators.
_SCALAR_BYTES = 9


class Normalizer:
    """Normalizes values to plain JSON.

    :param redaction: decides which keys of dicts have secret values, at any depth.
    :param max_bytes: UTF-8 bytes of one value.
    """

    def __init__(self, redaction: Redaction, max_bytes: int) -> None:
        self._redaction = redaction
        self.max_bytes = max_bytes
        #: Characters of a text that fits in any case: no character takes more than 4 bytes.
        self.max_text = max_bytes // 4

    def normalize(self, value: object) -> Plain:
        """Return a value as plain JSON.

        :raises NotPlainError: the value has no plain form.
        """
        kind = type(value)
        if kind is dict and (flat := self._flat_dict(value)) is not None:  # type: ignore[arg-type]
            return flat
        return _Walk(self._redaction, self.max_bytes).plain(value, 0)

    def _flat_dict(self, value: dict[Any, Any]) -> dict[str, Plain] | None:
        """Return a copy of a dict that is plain and short already; ``None`` for any other."""
        if len(value) > _MAX_FLAT:
            return None
        # In one step, since another thread may change the dict in the meantime.
        made = value.copy()
        left = self.max_text
        for name, item in made.items():
            if type(name) is not str or len(name) > MAX_NAME or self._redaction.is_sensitive(name):
                return None
            left -= len(name) + _SCALAR_BYTES
            kind = type(item)
            if kind is str:
                left -= len(item)
            elif kind is int:
                if not INT_MIN <= item <= INT_MAX:
                    return None
            elif kind is not float and kind is not bool and item is not None:
                return None
        return made if left >= 0 else None


class _Walk:
    """Normalizes one value: tracks the bytes that are left, and the containers around it."""

    def __init__(self, redaction: Redaction, budget: int) -> None:
        self._redaction = redaction
        self._left = budget
        self._inside: set[int] = set()

    def plain(self, value: object, depth: int) -> Plain:
        kind = type(value)
        if kind is str:
            return self._text(value)  # type: ignore[arg-type]  # mypy does not take type() for it
        if kind is int and INT_MIN <= value <= INT_MAX:  # type: ignore[operator]
            return self._spend(8, value)  # type: ignore[arg-type]
        if value is None or kind is bool:
            return self._spend(4, value)  # type: ignore[arg-type]
        if kind is dict or kind is list:
            return self._container(value, kind, depth)
        convert = conversion(kind)
        if convert is not None:
            return self._scalar(convert, value, depth)
        if issubclass(kind, _CONTAINERS):
            row = _named_tuple_items(value, kind) if issubclass(kind, tuple) else None
            if row is None:
                return self._container(value, kind, depth)
            return self._container(row, dict, depth)
        items = _dataclass_items(value)
        if items is None:
            raise NotPlainError
        return self._container(items, dict, depth)

    def _scalar(self, convert: Any, value: object, depth: int) -> Plain:
        made = converted(convert, value)
        kind = type(made)
        if kind is str:
            return self._text(made)
        if kind in (int, float):
            return self._spend(8, made)
        return None if made is None else self.plain(made, depth + 1)

    def _text(self, text: str) -> str:
        left = max(self._left, 0)
        if len(text) <= left and text.isascii() and "\0" not in text:
            self._left = left - len(text)
            return text
        text, used = truncate_text(text, left)
        self._left = left - used
        return text

    def _container(self, value: Any, kind: type, depth: int) -> Plain:
        if id(value) in self._inside:
            return self._spend(len(CYCLE), CYCLE)
        if depth >= _MAX_DEPTH:
            return self._spend(len(DEEP), DEEP)
        self._inside.add(id(value))
        try:
            walk = self._mapping if issubclass(kind, dict) else self._sequence
            return walk(value, kind, depth)
        finally:
            self._inside.discard(id(value))

    def _mapping(self, value: Any, kind: type, depth: int) -> Plain:
        made: dict[str, Plain] = {}
        for seen, (key, item) in enumerate(self._first(partial(dict.items, value))):
            if self._left <= 0:
                made[CUT] = dict.__len__(value) - seen
                break
            shown = REDACTED if self._redaction.is_sensitive_key(key) else item
            name = self._text(key_text(key))
            made[name] = self._inner(shown, depth)
        return made

    def _sequence(self, value: Any, kind: type, depth: int) -> Plain:
        made: list[Plain] = []
        items = self._first(partial(_base_iter, kind, value))
        if len(items) == 2 and self._is_sensitive_pair(items[0]):
            items[1] = REDACTED
        for item in items:
            if self._left <= 0:
                made.append(CUT)
                return made
            made.append(self._inner(item, depth))
        return _sorted(made) if issubclass(kind, (set, frozenset)) else made

    def _is_sensitive_pair(self, first: object) -> bool:
        # A name and its value, as in a list of headers.
        return type(first) in (str, bytes) and self._redaction.is_sensitive_key(first)

    def _first(self, iterate: Callable[[], Iterable[Any]]) -> list[Any]:
        # All at once, since another thread may change the container in the meantime. No more items
        # than can fit: each takes at least one byte.
        most = max(self._left, 0) + 1
        for _ in range(_MAX_TRIES):
            try:
                return list(islice(iterate(), most))
            except RuntimeError:
                # Up to Python 3.11 a garbage collection may start in between, and its callbacks let
                # other threads run: https://docs.python.org/3/library/gc.html
                continue
        return list(islice(iterate(), most))

    def _inner(self, value: object, depth: int) -> Plain:
        self._left -= 1
        try:
            return self.plain(value, depth + 1)
        except NotPlainError:
            mark = placeholder(value)
            return self._spend(len(mark), mark)

    def _spend(self, size: int, value: Plain) -> Plain:
        self._left -= size
        return value


_SEQUENCES = (list, tuple, set, frozenset)
_CONTAINERS = (dict, *_SEQUENCES)


def _base_iter(kind: type, value: Any) -> Iterator[Any]:
    # The iterator of the built-in type: that of a subclass may raise or never end.
    for base in _SEQUENCES:
        if issubclass(kind, base):
            iterator: Iterator[Any] = base.__iter__(value)
            return iterator
    raise NotPlainError


def _named_tuple_items(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the fields of a named tuple; ``None`` for any other tuple."""
    try:
        names = type.__getattribute__(kind, "_fields")
    except BaseException:  # noqa: BLE001 - a custom metaclass may raise anything
        return None
    if type(names) is not tuple or len(names) != tuple.__len__(value):
        return None
    if not all(type(name) is str for name in names):
        return None
    return dict(zip(names, tuple.__iter__(value), strict=True))


def _dataclass_items(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass; ``None`` for any other value."""
    try:
        # By type's own attribute look-up: that of a metaclass may raise.
        type.__getattribute__(type(value), "__dataclass_fields__")
        names = [each.name for each in fields(value)]
    except BaseException:  # noqa: BLE001 - the attribute may be anything
        return None
    loaded = _instance_dict(value)
    if "_sa_instance_state" in loaded:
        # A row that SQLAlchemy maps: reading a field that is not loaded would query the database
        # and leave a transaction open.
        # https://docs.sqlalchemy.org/en/20/orm/dataclasses.html
        return {name: loaded[name] for name in names if name in loaded}
    return {name: _field(value, name) for name in names}


def _instance_dict(value: Any) -> dict[str, Any]:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except BaseException:  # noqa: BLE001 - slots, or a custom __dict__
        return {}


def _field(value: Any, name: str) -> Any:
    try:
        return getattr(value, name)
    except BaseException as error:  # noqa: BLE001 - a property may raise anything
        return f"<{type(error).__name__}>"


def _sorted(items: list[Plain]) -> list[Plain]:
    try:
        return sorted(items)  # type: ignore[type-var]  # TypeError if they cannot be sorted
    except TypeError:
        return items
