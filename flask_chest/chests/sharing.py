"""Apps of one process that have the same store share one chest, and so one connection."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from weakref import WeakValueDictionary

from .base import Chest


def comparable(value: object) -> Hashable:
    """Return a hashable value that is equal for equal entries."""
    if isinstance(value, Mapping):
        return tuple((name, comparable(each)) for name, each in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(comparable, value))
    # Numbers and texts of different types may be equal; other objects are equal to themselves only.
    return (type(value), value) if isinstance(value, Hashable) else id(value)


def share_chests(chests: Iterable[Chest]) -> list[Chest]:
    """Replace chests by those of other apps in this process that have the same store and name.

    Otherwise a process with many apps would have as many connections, and SQLite lets one at a time
    write.
    """
    return [_shared(chest) for chest in chests]


def _shared(chest: Chest) -> Chest:
    if not chest.shareable or chest.made_from is None:
        return chest
    info = chest.app_info and replace(chest.app_info, app_name="")
    key = (type(chest), chest.made_from, chest.name, info)
    return _shared_chests.setdefault(key, chest)


_shared_chests: WeakValueDictionary[Hashable, Chest] = WeakValueDictionary()
