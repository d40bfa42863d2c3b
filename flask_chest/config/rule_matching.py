"""One rule: which routes it matches, and how specific it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# How specific a rule is, in ascending order.
APP, BLUEPRINT, GLOB, EXACT = range(4)


class Route(NamedTuple):
    """One route and method, or a request that matched no route; rules match against it."""

    rule: str | None
    endpoint: str | None
    method: str

    @property
    def blueprint(self) -> str | None:
        """The full name of the route's blueprint."""
        return self.endpoint.rpartition(".")[0] or None if self.endpoint else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One validated rule.

    :param selectors: the routes that the rule applies to, by ``rule``, ``endpoint``, ``blueprint``
        and ``methods``.
    :param options: the options that the rule sets: ``track``, ``chests``, ``sample``, ``record``.
    :param source: where the rule is written, for messages, e.g. ``CHEST_RULES[3]``.
    """

    selectors: Mapping[str, Any]
    options: Mapping[str, Any]
    source: str

    @property
    def selector_text(self) -> str:
        """The selectors, for messages."""
        return ", ".join(f"{name} {value!r}" for name, value in self.selectors.items())

    @property
    def level(self) -> int:
        """How specific the rule is: ``APP``, ``BLUEPRINT``, ``GLOB`` or ``EXACT``."""
        patterns = [self.selectors[name] for name in ("rule", "endpoint") if name in self.selectors]
        if any(not is_glob(pattern) for pattern in patterns):
            return EXACT
        if patterns:
            return GLOB
        return BLUEPRINT if "blueprint" in self.selectors else APP

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sort key: general rules first. The longer pattern wins among rules of one level."""
        words = [self.selectors.get(name, "") for name in ("rule", "endpoint", "blueprint")]
        literal = sum(len(word.replace("*", "").replace("?", "")) for word in words)
        return self.level, literal, int("methods" in self.selectors)

    def matches(self, route: Route) -> bool:
        """Return whether the rule selects a route and method."""
        return self.matches_route(route) and self._matches_method(route.method)

    def matches_route(self, route: Route) -> bool:
        """Return whether the rule selects a route, whichever method the route has."""
        wanted = self.selectors
        if "rule" in wanted and not _matches(wanted["rule"], route.rule):
            return False
        if "endpoint" in wanted and not _matches(wanted["endpoint"], route.endpoint):
            return False
        return "blueprint" not in wanted or any(
            _matches(wanted["blueprint"], name) for name in with_parents(route.blueprint)
        )

    def _matches_method(self, method: str) -> bool:
        methods = self.selectors.get("methods")
        # Flask answers HEAD with the view for GET.
        return methods is None or method in methods or (method == "HEAD" and "GET" in methods)


def is_glob(pattern: str) -> bool:
    """Return whether a pattern has wildcards."""
    return "*" in pattern or "?" in pattern


def _matches(pattern: str, word: str | None) -> bool:
    if word is None:
        return False
    return _matches_glob(pattern, word) if is_glob(pattern) else pattern == word


def _matches_glob(glob: str, word: str) -> bool:
    """Return whether a glob matches: ``*`` stands for any text, ``?`` for any character.

    ``fnmatch`` gives "[" a meaning, and URL rules contain "[". A regular expression takes longer to
    compile than this function takes to reject a word that differs in its first characters.
    """
    glob_at = word_at = 0
    last_star, star_end = -1, 0
    while word_at < len(word):
        character = glob[glob_at : glob_at + 1]
        if character == "*":
            last_star, star_end = glob_at, word_at
            glob_at += 1
        elif character in ("?", word[word_at]):
            glob_at += 1
            word_at += 1
        elif last_star >= 0:  # let the last star match one more character
            star_end += 1
            glob_at, word_at = last_star + 1, star_end
        else:
            return False
    return not glob[glob_at:].strip("*")


def with_parents(blueprint: str | None) -> list[str]:
    """``shop.admin`` -> ``["shop.admin", "shop"]``, like ``request.blueprints``."""
    names = []
    while blueprint:
        names.append(blueprint)
        blueprint = blueprint.rpartition(".")[0]
    return names
