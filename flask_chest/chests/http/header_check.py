"""Checks the HTTP headers that users set for a chest, such as tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import ConfigError

# https://www.rfc-editor.org/rfc/rfc9110#name-field-names, and the characters of a value.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


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
