"""Parses and validates the rules of ``CHEST_RULES`` and ``CHEST_BLUEPRINTS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError, suggest_name
from . import value_types
from .rule_matching import Rule

_OPTIONS = ("track", "chests", "sample", "record")

_SELECTORS = ("rule", "endpoint", "blueprint", "methods")


def blueprint_rule(name: str, options: Any) -> dict[str, Any]:
    """Return the rule that an entry of ``CHEST_BLUEPRINTS`` stands for.

    :param options: tracked variables, or a mapping with a rule's options.
    """
    if isinstance(options, Mapping) and not all(map(value_types.is_method, options)):
        return {"blueprint": name, **options}
    return {"blueprint": name, "track": options}


def parse_rule(
    rule: Mapping[str, Any], source: str, chest_names: Sequence[str] | None = None
) -> Rule:
    """Validate one rule.

    :param source: the rule's name in error messages, e.g. ``CHEST_RULES[3]``.
    :param chest_names: the names that ``chests`` may use; ``None`` if they are not known yet.
    :raises ConfigError: the rule selects nothing, sets nothing, or has an unknown key.
    """
    for name in rule:
        if name not in _OPTIONS + _SELECTORS:
            advice = suggest_name(str(name), _SELECTORS + _OPTIONS)
            raise ConfigError(f"{source}: unknown key {name!r}; {advice}")
    selectors = {name: rule[name] for name in _SELECTORS if name in rule}
    if not selectors:
        raise ConfigError(f"{source}: a rule needs one of {', '.join(_SELECTORS)}")
    options = {name: rule[name] for name in _OPTIONS if name in rule}
    if not options:
        raise ConfigError(f"{source}: a rule needs one of {', '.join(_OPTIONS)}")
    by_name: Mapping[str, Callable[[Any], Any]] = {
        **_CHECKS,
        "chests": lambda value: _chests(value, chest_names),
    }
    try:
        for part in (selectors, options):
            for name in part:
                part[name] = by_name[name](part[name])
    except ValueError as error:
        raise ConfigError(
            f"{source}: {name!r} is {value_types.describe_value(rule[name])}: {error}"
        ) from None
    return Rule(selectors, options, source)


def _pattern(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected a text")


def _methods(value: Any) -> tuple[str, ...]:
    listed = value_types.names(value)
    if not listed:
        raise ValueError("expected HTTP methods, e.g. ['GET', 'POST']; leave it out for all")
    return tuple(map(value_types.method, listed))


def _sample(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError(
        "expected a fraction, at least 0 and at most 1; to record nothing: 'record': False"
    )


def _record(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _chests(value: Any, known: Sequence[str] | None) -> tuple[str, ...]:
    listed = value_types.names(value)
    if not listed:
        raise ValueError("expected names of chests; to record nothing: 'record': False")
    for name in listed:
        if known is not None and name not in known:
            advice = suggest_name(name, known, "there are")
            raise ValueError(f"there is no chest {name!r}; {advice}")
    return listed


_CHECKS = {
    "rule": _pattern,
    "endpoint": _pattern,
    "blueprint": _pattern,
    "methods": _methods,
    "track": value_types.tracked_vars,
    "sample": _sample,
    "record": _record,
}
