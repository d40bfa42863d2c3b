"""One rule, as the user wrote it, checked; and the routes that it selects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import ConfigError, suggest_name
from . import validators as checks

_OPTIONS = ("track", "chests", "sample", "record")
_SELECTORS = ("rule", "endpoint", "blueprint", "methods")

# How specific a rule is: the app's own words, then blueprint, glob, exact.
APP, BLUEPRINT, GLOB, EXACT = range(4)


class Route(NamedTuple):
    """What a rule can select by: one route and method, or a request that matched no route."""

    rule: str | None
    endpoint: str | None
    method: str

    @property
    def blueprint(self) -> str | None:
        """The full name of the route's blueprint."""
        return self.endpoint.rpartition(".")[0] or None if self.endpoint else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked.

    :param selectors: what it selects by: ``rule``, ``endpoint``, ``blueprint``, ``methods``.
    :param options: what it sets: ``track``, ``chests``, ``sample``, ``record``.
    :param source: where it stands, for messages.
    """

    selectors: Mapping[str, Any]
    options: Mapping[str, Any]
    source: str

    @property
    def told(self) -> str:
        """What it selects by, for messages."""
        return ", ".join(f"{name} {value!r}" for name, value in self.selectors.items())

    @property
    def level(self) -> int:
        """How specific it is."""
        patterns = [self.selectors[name] for name in ("rule", "endpoint") if name in self.selectors]
        if any(not is_glob(pattern) for pattern in patterns):
            return EXACT
        if patterns:
            return GLOB
        return BLUEPRINT if "blueprint" in self.selectors else APP

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sorts rules from general to specific; among equals the later one is stronger."""
        words = [self.selectors.get(name, "") for name in ("rule", "endpoint", "blueprint")]
        literal = sum(len(word.replace("*", "").replace("?", "")) for word in words)
        return self.level, literal, int("methods" in self.selectors)

    def matches(self, route: Route) -> bool:
        """Whether it selects a route and method."""
        return self.matches_route(route) and self._matches_method(route.method)

    def matches_route(self, route: Route) -> bool:
        """Whether it selects a route, whatever the method."""
        wanted = self.selectors
        return (
            ("rule" not in wanted or _matches(wanted["rule"], route.rule))
            and ("endpoint" not in wanted or _matches(wanted["endpoint"], route.endpoint))
            and ("blueprint" not in wanted or _within(wanted["blueprint"], route.blueprint))
        )

    def _matches_method(self, method: str) -> bool:
        methods = self.selectors.get("methods")
        # Flask answers HEAD with the view for GET.
        return methods is None or method in methods or (method == "HEAD" and "GET" in methods)


def blueprint_rule(name: str, options: Any) -> dict[str, Any]:
    """The rule for a blueprint: its tracked variables alone, or options."""
    if isinstance(options, Mapping) and not all(map(checks.is_method, options)):
        return {"blueprint": name, **options}
    return {"blueprint": name, "track": options}


def checked_rule(
    rule: Mapping[str, Any], source: str, chest_names: Sequence[str] | None = None
) -> Rule:
    """One rule as the code uses it.

    :param source: what errors call it.
    :param chest_names: what ``chests`` may name; ``None`` where that is not known yet.
    :raises ConfigError: it selects nothing, or says something that no rule says.
    """
    for name in rule:
        if name not in _OPTIONS + _SELECTORS:
            advice = suggest_name(str(name), _SELECTORS + _OPTIONS)
            raise ConfigError(f"{source}: no rule says {name!r}; {advice}")
    selectors = {name: rule[name] for name in _SELECTORS if name in rule}
    if not selectors:
        raise ConfigError(f"{source}: name what it selects: {', '.join(_SELECTORS)}")
    options = {name: rule[name] for name in _OPTIONS if name in rule}
    if not options:
        raise ConfigError(f"{source}: name what it sets: {', '.join(_OPTIONS)}")
    by_name: Mapping[str, Callable[[Any], Any]] = {
        **_CHECKS,
        "chests": lambda value: _chests(value, chest_names),
    }
    try:
        for part in (selectors, options):
            for name in part:
                part[name] = by_name[name](part[name])
    except ValueError as error:
        raise ConfigError(f"{source}: {name!r} is {checks.short(rule[name])}: {error}") from None
    return Rule(selectors, options, source)


def _pattern(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected a text")


def _methods(value: Any) -> tuple[str, ...]:
    listed = checks.names(value)
    if not listed:
        raise ValueError("expected HTTP methods, e.g. ['GET', 'POST']; leave it out for all")
    return tuple(map(checks.method, listed))


def _sample(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError(
        "expected a share, at least 0 and at most 1; to record nothing: 'record': False"
    )


def _record(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _chests(value: Any, known: Sequence[str] | None) -> tuple[str, ...]:
    listed = checks.names(value)
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
    "track": checks.tracked_vars,
    "sample": _sample,
    "record": _record,
}


def is_glob(pattern: str) -> bool:
    """Whether a rule's word may stand for several."""
    return "*" in pattern or "?" in pattern


def _matches(pattern: str, word: str | None) -> bool:
    if word is None:
        return False
    return _fits(pattern, word) if is_glob(pattern) else pattern == word


def _fits(glob: str, word: str) -> bool:
    """Whether a word fits a glob, in which ``*`` stands for any text and ``?`` for any character.

    Not fnmatch, for which "[" of a URL rule is special; nor a regular expression, which takes
    longer to translate than this takes to find that most words differ in their first characters.
    """
    at = seen = 0
    star, tried = -1, 0
    while seen < len(word):
        sign = glob[at : at + 1]
        if sign == "*":
            star, tried = at, seen
            at += 1
        elif sign in ("?", word[seen]):
            at += 1
            seen += 1
        elif star >= 0:  # the last star takes one character more
            tried += 1
            at, seen = star + 1, tried
        else:
            return False
    return not glob[at:].strip("*")


def _within(pattern: str, blueprint: str | None) -> bool:
    return any(_matches(pattern, name) for name in and_parents(blueprint))


def and_parents(blueprint: str | None) -> list[str]:
    """``shop.admin`` -> ``["shop.admin", "shop"]``, as ``request.blueprints`` has it."""
    names = []
    while blueprint:
        names.append(blueprint)
        blueprint = blueprint.rpartition(".")[0]
    return names
