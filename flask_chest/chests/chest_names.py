"""The names of chests: which are valid and which are taken; chests without a name get one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote

from ..errors import ConfigError


class _Chest(Protocol):
    name: str
    name_was_given: bool
    name_is_fixed: bool
    scheme: str

    def location(self) -> str: ...


def locations_by_name(chests: Iterable[_Chest]) -> dict[str, str]:
    """Return the locations of chests by name, without chests that have no location."""
    return {chest.name: location for chest in chests if (location := chest.location())}


def assign_default_names(chests: Iterable[_Chest]) -> None:
    """Number the chests that were made without a name: ``sqlite``, ``sqlite-2``, ..."""
    chests = list(chests)
    fixed = [chest for chest in chests if chest.name_was_given or chest.name_is_fixed]
    assign_unique_names(
        [each for each in chests if each not in fixed], [each.name for each in fixed]
    )


def assign_unique_names(chests: Iterable[_Chest], taken: Iterable[str]) -> None:
    """Rename chests whose names are taken: ``orders-2``, ...

    :param taken: names of other chests of the app.
    :raises ConfigError: a name is taken and cannot change, since another app uses the chest, too.
    """
    taken = set(taken)
    for chest in chests:
        if chest.name_is_fixed and chest.name in taken:
            raise ConfigError(
                f"{chest!r}: the name {chest.name!r} is taken in this app, and another app "
                "delivers to this chest under it; give it another 'name'"
            )
        stem = chest.name if chest.name_was_given else chest.scheme
        name, number = chest.name, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        chest.name = name
        taken.add(name)


_MAX_NAME_BYTES = 200


def check_name(name: object) -> None:
    """Check the name that a user gives to a chest.

    :raises ConfigError: the name is empty, too long, or has characters that cannot be printed.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ConfigError(f"name {name!r}: expected a text of printable characters, not empty")
    # The file of the chest's dead letters has this name, percent-encoded and with an extension.
    if len(quote(name)) > _MAX_NAME_BYTES:
        raise ConfigError(
            f"name {name!r}: expected at most {_MAX_NAME_BYTES} bytes, percent-encoded; shorten it"
        )
