"""Checks the arguments of chests: their names, and the names that chests get."""

from __future__ import annotations

import inspect
from urllib.parse import quote

from ..errors import ConfigError, suggest_name

_MAX_NAME_BYTES = 200
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def known_arguments(chest_class: type) -> list[str]:
    """Return the arguments of a class's constructor, and of those that it passes ``**`` on to."""
    names: list[str] = []
    for each in chest_class.__mro__:
        constructor = vars(each).get("__init__")
        if constructor is None:
            continue
        _, *parameters = inspect.signature(constructor).parameters.values()
        names += [parameter.name for parameter in parameters if parameter.kind not in _VARIADIC]
        if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            break
    return list(dict.fromkeys(names))


def unknown_argument(chest_class: type, name: str) -> str:
    """Return the error message for an argument that a chest's constructor does not take."""
    advice = suggest_name(name, known_arguments(chest_class))
    return f"{chest_class.__name__} has no argument {name!r}; {advice}"


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
