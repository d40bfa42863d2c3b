"""Checks the arguments of chests: their names, the names that chests get, and headers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from urllib.parse import quote

from ..errors import ConfigError, suggest_name

_MAX_NAME_BYTES = 200
# https://www.rfc-editor.org/rfc/rfc9110#name-field-names, and the characters of a value.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
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


def check_headers(headers: Mapping[str, str]) -> None:
    """Check the HTTP headers that a user gives to a chest; no message quotes a value.

    :raises ConfigError: a name or a value cannot be sent.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigError(f"headers: {name!r} is not the name of a header")
        check_header_value(f"headers: the value of {name!r}", value)


def check_header_value(subject: str, value: object) -> None:
    """Check a text that is sent in a header, for example a token.

    :param subject: the beginning of the error message.
    :raises ConfigError: it cannot be sent. The message does not quote it.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{subject} is of type {type(value).__name__!r}; expected text")
    if "\n" in value or "\r" in value:
        raise ConfigError(
            f"{subject} contains a line break, as the end of a file does; remove it, e.g. with "
            "'.strip()'"
        )
    if value != value.strip():
        raise ConfigError(f"{subject} begins or ends with a space; remove it")
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigError(f"{subject} contains a character that no header may contain")
