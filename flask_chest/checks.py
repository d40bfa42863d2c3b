"""What a setting may be: each check returns the value as the code uses it, or says what is allowed.

A check raises :class:`ValueError`; who calls it adds the name of the setting.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .typing import TrackedVars

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week|month|year)s?\s*", re.I)
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 7 * 86400,
    "month": 30 * 86400,
    "year": 365 * 86400,
}
_HEADER = re.compile(r"[A-Za-z0-9-]+")


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def number(least: float, most: float | None = None, *, above: bool = False) -> Any:
    limit = f"above {least:g}" if above else f"at least {least:g}"
    limit += "" if most is None else f" and at most {most:g}"

    def check(value: Any) -> float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if fits and _within(value, least, most, above):
            return float(value)
        raise ValueError(f"expected a number, {limit}")

    return check


def _within(value: float, least: float, most: float | None, above: bool) -> bool:
    enough = value > least if above else value >= least
    return enough and (most is None or value <= most)


def integer(least: int) -> Any:
    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise ValueError(f"expected a whole number, at least {least}")

    return check


def one_of(*allowed: str) -> Any:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        near = difflib.get_close_matches(str(value), allowed, n=1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected one of {', '.join(map(repr, allowed))}{advice}")

    return check


def optional(inner: Callable[[Any], Any]) -> Any:
    def check(value: Any) -> Any:
        return None if value is None else inner(value)

    return check


def text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected a text that is not empty")


def header(value: Any) -> str:
    if isinstance(value, str) and _HEADER.fullmatch(value):
        return value
    raise ValueError("expected the name of an HTTP header, e.g. 'X-Request-ID'")


def chests(value: Any) -> Sequence[object]:
    if isinstance(value, (list, tuple)) and value:
        return list(value)
    raise ValueError("expected a list of URLs, dicts or chests, e.g. ['sqlite:///chest.db']")


def mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)) and all(isinstance(rule, Mapping) for rule in value):
        return list(value)
    raise ValueError("expected a list of rules, e.g. [{'rule': '/api/*', 'track': ['tenant']}]")


def mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    raise ValueError("expected a mapping whose keys are names")


def tags(value: Any) -> Mapping[str, Any]:
    tags = mapping(value)
    for name, tag in tags.items():
        if not isinstance(tag, (str, int, float, bool)):
            raise ValueError(f"the tag {name!r} must be a text, a number or a boolean")
    return tags


def redact(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return names(value)


def names(value: Any) -> tuple[str, ...]:
    """A list of names.

    :raises ValueError: it is something else; a lone string is the usual slip.
    """
    if isinstance(value, str):
        raise ValueError(f"expected a list of names; write [{value!r}]")
    listed = isinstance(value, (list, tuple, set, frozenset))
    if listed and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ValueError("expected a list of names")


def tracked_vars(value: Any) -> TrackedVars:
    """``None``, a list of names, or lists by HTTP method.

    :raises ValueError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return names(value)
    if not all(isinstance(method, str) for method in value):
        raise ValueError("expected HTTP methods as keys, e.g. {'GET': ['user_id'], '*': []}")
    return {method.upper(): names(listed) for method, listed in value.items()}


def seconds(value: Any) -> float:
    """A duration: a number of seconds, or words such as ``"30 days"``.

    :raises ValueError: it is something else.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) <= 0:
        raise ValueError("expected a duration, e.g. '30 days', '12 hours' or a number of seconds")
    return float(match[1]) * _SECONDS[match[2].lower()]


def dashboard(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise ValueError("expected true, false or a URL prefix that begins with '/'")
