"""Opens a reader of one of several chests."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError
from .base import Chest
from .reader import Reader


def first_reader(chests: Iterable[Chest], name: str | None = None) -> Reader:
    """A reader of the first chest that can be read back.

    :param name: the name of the only chest to consider.
    :raises ConfigError: no chest has this name, or no chest can be read back.
    """
    listed = list(chests)
    for chest in listed:
        reader = chest.reader() if name in (None, chest.name) else None
        if reader is not None:
            return reader
    names = ", ".join(chest.name for chest in listed) or "none"
    if name is not None and name not in [chest.name for chest in listed]:
        raise ConfigError(f"there is no chest {name!r}; there are: {names}")
    raise ConfigError(
        "no chest of this app can be read back; SQL chests, MongoDB and ClickHouse can "
        f"(chests: {names})"
    )
