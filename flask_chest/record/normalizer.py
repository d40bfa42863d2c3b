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
dataclass                              a dict of its fields; of a row that SQLAlchemy has mapped
                                       as one, those that are loaded
a value over the byte limit            cut; text and lists end with the mark, a dict has it as a key
a value that holds itself              the inner one is ``…[cycle]``
more than 16 levels                    ``…[deep]``
anything else                          ``<module.Class>`` where it was named, else left out
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
from .scalars import (
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
# How often a container that changes meanwhile is looked at anew.
_TRIES = 100
# Entries of a dict that is looked at as a whole.
_MOST_FLAT = 64
# What a number takes of a value's bytes, with what stands around it.
_SCALAR = 9


class Normalizer:
    """Turns values into plain ones.

    :param redaction: names of dict keys whose values are hidden, at any depth.
    :param max_bytes: UTF-8 bytes that one value may have.
    """

    def __init__(self, redaction: Redaction, max_bytes: int) -> None:
        self._redaction = redaction
        self.max_bytes = max_bytes
        #: A text of so many characters fits, whatever they are: none takes more than 4 bytes.
        self.max_text = max_bytes // 4

    def normalize(self, value: object) -> Plain:
        """Return a value as plain JSON.

        :raises NotPlainError: it has none.
        """
        kind = type(value)
        if kind is dict and (flat := self._flat_dict(value)) is not None:  # type: ignore[arg-type]
            return flat
        return _Walk(self._redaction, self.max_bytes).plain(value, 0)

    def _flat_dict(self, value: dict[Any, Any]) -> dict[str, Plain] | None:
        """A copy of a dict that is plain and short as it is; ``None`` for any other."""
        if len(value) > _MOST_FLAT:
            return None
        # In one step, since another thread may change it meanwhile.
        made = value.copy()
        left = self.max_text
        for name, item in made.items():
            if type(name) is not str or len(name) > MAX_NAME or self._redaction.is_sensitive(name):
                return None
            left -= len(name) + _SCALAR
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
    """One value on its way: what is left of its bytes, and what it is inside of."""

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
            return self._container(value, kind, depth)
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
            whole = key_text(key)
            # Judged by the whole name, not by what the limit leaves of it.
            shown = REDACTED if self._redaction.is_sensitive(whole) else item
            name = self._text(whole)
            made[name] = self._inner(shown, depth)
        return made

    def _sequence(self, value: Any, kind: type, depth: int) -> Plain:
        made: list[Plain] = []
        for item in self._first(partial(_base_iter, kind, value)):
            if self._left <= 0:
                made.append(CUT)
                return made
            made.append(self._inner(item, depth))
        return _sorted(made) if issubclass(kind, (set, frozenset)) else made

    def _first(self, iterate: Callable[[], Iterable[Any]]) -> list[Any]:
        # All at once, since another thread may change it meanwhile; no more than can fit, since
        # each item takes a byte at least.
        most = max(self._left, 0) + 1
        for _ in range(_TRIES):
            try:
                return list(islice(iterate(), most))
            except RuntimeError:
                # Up to Python 3.11 garbage may be collected in the midst, and what that calls back
                # gives other threads their turn: https://docs.python.org/3/library/gc.html
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
    # The iteration of the built-in type: a subclass may have one that raises, or never ends.
    for base in _SEQUENCES:
        if issubclass(kind, base):
            iterator: Iterator[Any] = base.__iter__(value)
            return iterator
    raise NotPlainError


def _dataclass_items(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass; ``None`` where it is none."""
    try:
        # By the type's own look-up: a metaclass may have one that raises.
        type.__getattribute__(type(value), "__dataclass_fields__")
        names = [each.name for each in fields(value)]
    except BaseException:  # noqa: BLE001 - whatever that attribute is, even SystemExit
        return None
    held = _held_by(value)
    if "_sa_instance_state" in held:
        # A row that SQLAlchemy has mapped: asked for what is not loaded, it would go to the
        # database, and leave a transaction open.
        # https://docs.sqlalchemy.org/en/20/orm/dataclasses.html
        return {name: held[name] for name in names if name in held}
    return {name: _field(value, name) for name in names}


def _held_by(value: Any) -> dict[str, Any]:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except BaseException:  # noqa: BLE001 - slots, or an attribute of theirs, even SystemExit
        return {}


def _field(value: Any, name: str) -> Any:
    try:
        return getattr(value, name)
    except BaseException as error:  # noqa: BLE001 - a property of theirs, even SystemExit
        return f"<{type(error).__name__}>"


def _sorted(items: list[Plain]) -> list[Plain]:
    try:
        return sorted(items)  # type: ignore[type-var]  # refused below where it cannot be
    except TypeError:
        return items
