"""Checks the constructor arguments of chests that come from ``CHEST_CHESTS``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import NoneType
from typing import Any

from ..errors import ConfigError, suggest_name

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


# Constructor arguments that are mappings.
_MAPPINGS = {"custom_tags", "headers", "options", "params", "proxies", "resource", "settings"}


def check_arguments(chest_class: type, arguments: Mapping[str, Any], key: str) -> None:
    """Check the arguments of an entry of ``CHEST_CHESTS``.

    :param key: the name of the config value in error messages.
    :raises ConfigError: an argument is unknown, or is no mapping where one is expected.
    """
    known = known_arguments(chest_class) if arguments else ()  # slow
    for name, value in arguments.items():
        if name in _MAPPINGS and not isinstance(value, (Mapping, NoneType)):
            # The message does not quote the value: headers may hold an API key.
            kind = type(value).__name__
            raise ConfigError(f"{key}: {name!r} is of type {kind!r}; expected a mapping of names")
        if name not in known:
            raise ConfigError(f"{key}: {unknown_argument(chest_class, name)}")
