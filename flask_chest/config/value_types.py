"""Validators for settings and arguments.

Each validator returns the normalized value or raises :class:`ValueError` with what is allowed. The
caller adds the name of the setting to the message.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import closest_name
from ..typing import TrackedVars

#: Characters of ``CHEST_DASHBOARD_TOKEN``.
MIN_TOKEN_LENGTH = 20

_HEADER = re.compile(r"[A-Za-z0-9-]+")

_MAX_LEVEL = 1000

_INTEGERS = range(-(2**63), 2**64)

#: HTTP's methods, and the coming QUERY. Apps may use others, such as WebDAV's.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")


def describe_value(value: object) -> str:
    """Return the value's ``repr`` for a message, cut to 80 characters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value whose repr raises must not hide the message
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def number(least: float, most: float | None = None, *, above: bool = False) -> Any:
    limit = f"above {least:g}" if above else f"at least {least:g}"
    limit += "" if most is None else f" and at most {most:g}"

    def check(value: Any) -> float:
        if is_number(value) and _within(value, least, most, above):
            return float(value)
        raise ValueError(f"expected a number, {limit}")

    return check


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and not a boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def _within(value: float, least: float, most: float | None, above: bool) -> bool:
    enough = value > least if above else value >= least
    return enough and (most is None or value <= most)


def integer(least: int, most: float = float("inf")) -> Any:
    allowed = (
        f"at least {least}" if most == float("inf") else f"at least {least} and at most {most}"
    )

    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"expected a whole number, {allowed}")

    return check


def one_of(*allowed: str) -> Any:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        near = closest_name(describe_value(value), allowed)
        advice = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"expected one of {', '.join(map(repr, allowed))}{advice}")

    return check


def log_level(value: Any) -> int:
    """Validate the name of a log level, in any case, or its number."""
    level = logging.getLevelName(value.upper()) if isinstance(value, str) else value
    if type(level) is not int or not 0 < level <= _MAX_LEVEL:
        raise ValueError("expected a level of the module logging, e.g. 'warning'")
    return level


def optional(inner: Callable[[Any], Any]) -> Any:
    def check(value: Any) -> Any:
        return None if value is None else inner(value)

    return check


def text(value: Any) -> str:
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ValueError("expected a text that is not empty; in the environment, write '\"123\"'")


def header(value: Any) -> str:
    if isinstance(value, str) and _HEADER.fullmatch(value):
        return value
    raise ValueError("expected the name of an HTTP header, e.g. 'X-Request-ID'")


def chests(value: Any) -> Sequence[object]:
    if isinstance(value, (list, tuple)) and value:
        return list(value)
    expected = "expected a list of URLs, dicts or chests, not empty, e.g. ['sqlite:///chest.db']"
    if isinstance(value, str):
        # An environment variable that is not JSON arrives as a string.
        expected += """; in the environment, write '["sqlite:///chest.db"]'"""
    raise ValueError(expected)


def mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    expected = "expected a list of rules, e.g. [{'rule': '/api/*', 'track': ['tenant']}]"
    if not isinstance(value, (list, tuple)):
        raise ValueError(expected)
    for index, rule in enumerate(value):
        if not isinstance(rule, Mapping):
            raise ValueError(f"{expected}, but item {index} is {describe_value(rule)}")
    return list(value)


def mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    raise ValueError("expected a mapping whose keys are names")


def tags(value: Any) -> Mapping[str, Any]:
    tags = mapping(value)
    for name, tag in tags.items():
        if not _is_storable(name) or not _is_storable(tag):
            raise ValueError(f"the tag {name!r} must be a text, a number or a boolean")
    return tags


def _is_storable(tag: Any) -> bool:
    """Return whether every store accepts the tag: one bad tag would block all records."""
    if isinstance(tag, str):
        return "\0" not in tag and not any("\ud800" <= each <= "\udfff" for each in tag)
    if isinstance(tag, bool):
        return True
    return is_number(tag) and (isinstance(tag, float) or tag in _INTEGERS)


def redact(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return names(value)


def names(value: Any) -> tuple[str, ...]:
    """Validate a list of names.

    :raises ValueError: the value is something else, often a single string.
    """
    if isinstance(value, str):
        raise ValueError(f"expected a list of names; write [{value!r}]")
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError("expected a list of names")
    for index, name in enumerate(value):
        if not isinstance(name, str) or not name:
            place = f"item {index}" if isinstance(value, (list, tuple)) else "one of them"
            raise ValueError(f"expected a list of names, but {place} is {describe_value(name)}")
    return tuple(value)


def tracked_vars(value: Any) -> TrackedVars:
    """Validate ``None``, a list of names, or lists of names by HTTP method.

    :raises ValueError: the value is something else.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return names(value)
    if not all(isinstance(name, str) for name in value):
        raise ValueError("expected HTTP methods as keys, e.g. {'GET': ['user_id'], '*': []}")
    return {
        name if name == "*" else method(name): _names_for(name, listed)
        for name, listed in value.items()
    }


def _names_for(method: str, value: Any) -> tuple[str, ...]:
    try:
        return names(value)
    except ValueError as error:
        raise ValueError(f"{method}: {error}") from None


def method(value: str) -> str:
    """Return an HTTP method in capitals.

    :raises ValueError: the value looks like a misspelt method.
    """
    name = value.upper()
    near = None if name in METHODS else closest_name(name, METHODS)
    if near or not name.isidentifier():
        advice = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"{value!r} is no HTTP method{advice}")
    return name


def is_method(name: object) -> bool:
    """Return whether a mapping's key stands for an HTTP method, in upper or lower case."""
    return isinstance(name, str) and (name == "*" or name.isupper() or name.upper() in METHODS)


def function(value: Any) -> Any:
    if callable(value):
        return value
    raise ValueError("expected a function")


def scheduler(value: Any) -> Any:
    """Validate an APScheduler scheduler, or Flask-APScheduler's extension, which wraps one."""
    methods = ("add_executor", "add_jobstore", "add_job")
    if all(callable(getattr(getattr(value, "scheduler", value), name, None)) for name in methods):
        return value
    raise ValueError("expected an APScheduler scheduler, or Flask-APScheduler's extension")


def archive(value: Any) -> str | bool | None:
    """The place of the archive; ``False`` for none, ``None`` for the default."""
    if value is None or value is False:
        return False if value is False else None
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("use a folder, a URL such as 's3://bucket/prefix', or False")
    scheme, separator, rest = value.partition("://")
    if separator and ("@" in rest.partition("/")[0] or not rest.strip("/") or not scheme):
        raise ValueError(
            "write 's3://bucket/prefix' without credentials: the driver takes them from the "
            "environment"
        )
    return value


def dashboard(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise ValueError("expected true, false or a URL prefix that begins with '/'")


def dashboard_token(value: Any) -> str:
    if len(text(value).strip()) < MIN_TOKEN_LENGTH:
        raise ValueError(
            f"expected a text of at least {MIN_TOKEN_LENGTH} characters, which nobody can guess; "
            "'flask chest token' makes one"
        )
    return str(value)
