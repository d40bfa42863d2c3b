"""Resolves the chest names that a writer stored to the names that the chests have today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def resolve_renames(
    names: Iterable[str], then: Mapping[str, str], now: Mapping[str, str]
) -> list[str]:
    """Return the names that a writer's chests have today.

    Chests without a name are numbered, and a number changes when another chest is added or removed.
    Records therefore follow the location of the store that they were captured for. If the location
    is unknown, or the chest has moved to another one, they follow the name.

    :param names: the chest names that the writer stored.
    :param then: the locations that the writer stored, by name; not every chest knows its location.
    :param now: the locations of today's chests, by name.
    """
    stored = [*names]
    resolved = [_resolve(name, then, now) for name in stored]
    # If two chests resolve to one name, one of them would receive nothing.
    return resolved if len({*resolved}) == len(resolved) else stored


def moved_stores(
    names: Iterable[str], then: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return the old and the new location of each chest whose location has changed.

    :param names: the names that chests have today.
    :param then: the locations that the writer stored, by name.
    :param now: the locations of today's chests, by name.
    """
    both = {name: (then[name], now[name]) for name in names if name in then and name in now}
    return {name: (old, new) for name, (old, new) in both.items() if old != new}


def _resolve(name: str, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    location = then.get(name)
    if not location or now.get(name) == location:
        return name
    found = [each for each, its_location in now.items() if its_location == location]
    if len(found) == 1 and [*then.values()].count(location) == 1:
        return found[0]
    if now.get(name) in then.values():
        # The name now belongs to another of the writer's stores, so this store has no name today.
        return f"{name} ({location})"
    return name
