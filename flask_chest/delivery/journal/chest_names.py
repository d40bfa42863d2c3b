"""What the chests that a writer named are called now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def present_names(
    names: Iterable[str], then: Mapping[str, str], now: Mapping[str, str]
) -> list[str]:
    """The names under which records wait now that a writer kept under others.

    Chests that nobody named are numbered, and numbers change when one comes or goes. What waits
    goes by the store that it was captured for. Where that is not to be told, or a chest has got
    another address, it goes by the name.

    :param names: what the writer called its chests.
    :param then: where these were, by name: not all of them can tell.
    :param now: the same of the chests that there are.
    """
    before = [*names]
    found = [_called_now(name, then, now) for name in before]
    # Of two that have become one, one would get nothing.
    return found if len({*found}) == len(found) else before


def moved_stores(
    names: Iterable[str], then: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Where a chest of these names was, and where it is now, if that is not the same.

    :param names: what chests are called now.
    """
    both = {name: (then[name], now[name]) for name in names if name in then and name in now}
    return {name: (was, now) for name, (was, now) in both.items() if was != now}


def _called_now(name: str, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    place = then.get(name)
    if not place or now.get(name) == place:
        return name
    known = [each for each, at in now.items() if at == place]
    if len(known) == 1 and [*then.values()].count(place) == 1:
        return known[0]
    if now.get(name) in then.values():
        # Another of the writer's stores has that name now. Nobody calls this one by any.
        return f"{name} ({place})"
    return name
