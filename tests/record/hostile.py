"""Values of hostile classes: their methods raise, or return wrong results."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID


def refuse(*_: object, **__: object) -> NoReturn:
    """Raise, as every method of a hostile class does."""
    raise SystemExit("asked")


def hostile(base: type, *names: str) -> Any:
    """Return a subclass whose methods with these names raise."""
    return type(f"Hostile{base.__name__.title()}", (base,), dict.fromkeys(names, refuse))


SHOWING = ("__repr__", "__str__", "__format__")
COMPARING = ("__le__", "__ge__", "__lt__", "__gt__")

Str = hostile(
    str,
    *SHOWING,
    "__len__",
    "__getitem__",
    "__iter__",
    "__contains__",
    "encode",
    "isascii",
    "lower",
)
Int = hostile(int, *SHOWING, *COMPARING, "__int__", "__index__", "__bool__", "bit_length")
Float = hostile(float, *SHOWING, *COMPARING, "__float__", "__sub__", "__eq__", "__bool__")
Dict = hostile(dict, *SHOWING, "items", "keys", "__iter__", "__len__", "__getitem__", "__bool__")
List = hostile(list, *SHOWING, "__iter__", "__len__", "__getitem__", "__bool__")
Tuple = hostile(tuple, *SHOWING, "__iter__", "__len__", "__getitem__", "__bool__")
Set = hostile(set, *SHOWING, "__iter__", "__len__", "__contains__", "__bool__")
Identity = hostile(UUID, *SHOWING)
Number = hostile(Decimal, *SHOWING)
Day = hostile(date, *SHOWING, "isoformat")


class Strange(type):
    """A class without a usable name or representation."""

    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit(name)


class Anything(metaclass=Strange):
    """A class whose special methods all raise."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    __repr__ = __str__ = __format__ = __hash__ = __bool__ = refuse
    __len__ = __iter__ = __eq__ = __call__ = __getitem__ = refuse


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        refuse()

    tzname = dst = refuse


class Choice(Enum):
    ONE = 1

    value = property(refuse)


@dataclass
class Field:
    """A dataclass with a field that cannot be read."""

    good: int = 1
    bad: int = field(init=False)


Field.bad = property(refuse)  # type: ignore[assignment]


class NoDataclass:
    __dataclass_fields__ = 7


class LateDataclass:
    __dataclass_fields__ = property(refuse)


class WordKey(str):
    """A dict key that claims to be another text."""

    def lower(self) -> str:
        return "harmless"

    def __str__(self) -> str:
        return "harmless"
