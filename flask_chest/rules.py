"""What the user wrote about routes, compiled to one plan per endpoint and method."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import config
from .errors import ConfigError
from .typing import TrackedVars

_OPTIONS = ("track", "chests", "sample", "record")
_SELECTORS = ("rule", "endpoint", "blueprint", "methods")

# How specific a rule is: the app's own words, then blueprint, glob, exact.
_APP, _BLUEPRINT, _GLOB, _EXACT = range(4)


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
    def level(self) -> int:
        """How specific it is."""
        patterns = [self.selectors[name] for name in ("rule", "endpoint") if name in self.selectors]
        if any(not _is_glob(pattern) for pattern in patterns):
            return _EXACT
        if patterns:
            return _GLOB
        return _BLUEPRINT if "blueprint" in self.selectors else _APP

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


@dataclass(slots=True)
class Plan:
    """What one endpoint and method records; a request looks it up and decides nothing.

    :param names: the variables to track, in order; ``None`` where all of ``g`` is tracked.
    :param named: variables that somebody named outright; a superset of ``names``.
    :param mask: a bit for each chest that gets the record.
    :param sample: the share that is kept.
    :param record: whether a record is left at all.
    :param request_id_generator: makes the request id, where the decorator named one.
    :param sources: which rules made it, for ``flask chest rules`` and ``explain``.
    """

    route: Route
    names: tuple[str, ...] | None
    named: frozenset[str]
    mask: int
    sample: float
    record: bool
    request_id_generator: Any = None
    sources: tuple[str, ...] = ()
    #: What became of a name that all of ``g`` was asked for; filled as names are seen.
    verdicts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """What a decorator says of its view; it overrides all rules."""

    tracked_vars: TrackedVars = None
    tracks: bool = False
    chests: tuple[str, ...] | None = None
    request_id_generator: Any = None


class Rules:
    """All rules of one app.

    :param tracked_vars: what every route tracks.
    :param sample_rate: the share of requests that is kept where no rule says otherwise.
    :param chest_names: the names that a rule's ``chests`` may use.
    """

    def __init__(
        self, tracked_vars: TrackedVars, sample_rate: float, chest_names: Sequence[str]
    ) -> None:
        self.tracked_vars = tracked_vars
        self.sample_rate = sample_rate
        self.chest_names = list(chest_names)
        #: The chests of routes for which no rule names others.
        self.defaults = tuple(chest_names)
        self._globs: list[Rule] = []
        self._by_rule: dict[str, list[Rule]] = {}
        self._by_endpoint: dict[str, list[Rule]] = {}
        self._by_blueprint: dict[str, list[Rule]] = {}
        self._order: dict[int, int] = {}
        self.all: list[Rule] = []

    def add(self, rule: Mapping[str, Any], source: str) -> None:
        """Check one rule and take it in.

        :param source: what errors and reports call it, e.g. ``CHEST_RULES[3]``.
        :raises ConfigError: it selects nothing, or says something that no rule says.
        """
        made = _checked_rule(rule, source, self.chest_names)
        self._order[id(made)] = len(self.all)
        self.all.append(made)
        self._bucket(made).append(made)

    def plan(self, route: Route, override: Override | None = None) -> Plan:
        """Compile what one route and method records."""
        matching = self._matching(route)
        tracking = _Tracking()
        tracking.add(self.tracked_vars, route.method)
        plan = Plan(route, None, frozenset(), self._mask(self.defaults), self.sample_rate, True)
        for rule in matching:
            if "track" in rule.options:
                tracking.add(rule.options["track"], route.method)
            if "chests" in rule.options:
                plan.mask = self._mask(rule.options["chests"])
            plan.sample = rule.options.get("sample", plan.sample)
            plan.record = rule.options.get("record", plan.record)
        sources = [rule.source for rule in matching]
        if override is not None:
            tracking = _overridden(override, tracking, route.method)
            plan.request_id_generator = override.request_id_generator
            if override.chests is not None:
                plan.mask = self._mask(override.chests)
            sources.append("@flask_chest")
        plan.names, plan.named = tracking.names(), tracking.named()
        plan.sources = tuple(sources)
        return plan

    def unmatched(self, routes: Iterable[Route]) -> list[Rule]:
        """The rules that select none of these routes: nearly always a typo."""
        left = {id(rule): rule for rule in self.all if rule.level != _APP}
        for route in routes:
            for rule in self._candidates(route):
                if id(rule) in left and rule.matches_route(route):
                    del left[id(rule)]
        return list(left.values())

    def _mask(self, names: Iterable[str]) -> int:
        return sum(1 << self.chest_names.index(name) for name in names)

    def _matching(self, route: Route) -> list[Rule]:
        found = [rule for rule in self._candidates(route) if rule.matches(route)]
        return sorted(found, key=lambda rule: (rule.rank, self._order[id(rule)]))

    def _candidates(self, route: Route) -> list[Rule]:
        found = list(self._globs)
        found += self._by_rule.get(route.rule or "", ())
        found += self._by_endpoint.get(route.endpoint or "", ())
        for name in _and_parents(route.blueprint):
            found += self._by_blueprint.get(name, ())
        return found

    def _bucket(self, rule: Rule) -> list[Rule]:
        # Ten thousand rules name ten thousand routes: found by name, not by trying each.
        buckets = {
            "rule": self._by_rule,
            "endpoint": self._by_endpoint,
            "blueprint": self._by_blueprint,
        }
        for selector, bucket in buckets.items():
            word = rule.selectors.get(selector)
            if word is not None and not _is_glob(word):
                return bucket.setdefault(word, [])
        return self._globs


class _Tracking:
    """The union of what several rules track, in the order in which they said it."""

    def __init__(self) -> None:
        self._everything = False
        self._names: dict[str, None] = {}

    def add(self, tracked: TrackedVars, method: str) -> None:
        if tracked is None:
            self._everything = True
            return
        names = _for_method(tracked, method) if isinstance(tracked, Mapping) else tracked
        if names is None:
            return
        if not names:
            self.clear()
        self._names.update(dict.fromkeys(names))

    def clear(self) -> None:
        # Adding nothing would say nothing; an empty list means "track nothing here".
        self._everything = False
        self._names.clear()

    def names(self) -> tuple[str, ...] | None:
        return None if self._everything else tuple(self._names)

    def named(self) -> frozenset[str]:
        return frozenset(self._names)


def _overridden(override: Override, found: _Tracking, method: str) -> _Tracking:
    if not override.tracks:
        return found
    tracking = _Tracking()
    tracking.add(override.tracked_vars, method)
    return tracking


def _for_method(tracked: Mapping[str, Sequence[str]], method: str) -> list[str] | None:
    listed = tracked.get(method)
    if listed is None and method == "HEAD":
        listed = tracked.get("GET")
    if listed is None:
        listed = () if "*" in tracked else None
    if listed is None:
        return None
    return [*tracked.get("*", ()), *listed]


def _checked_rule(rule: Mapping[str, Any], source: str, chest_names: Sequence[str]) -> Rule:
    for name in rule:
        if name not in _OPTIONS + _SELECTORS:
            near = difflib.get_close_matches(str(name), _OPTIONS + _SELECTORS, n=1)
            known = ", ".join(_SELECTORS + _OPTIONS)
            advice = f"did you mean {near[0]!r}?" if near else f"known: {known}"
            raise ConfigError(f"{source}: no rule says {name!r}; {advice}")
    selectors = {name: rule[name] for name in _SELECTORS if name in rule}
    if not selectors:
        raise ConfigError(f"{source}: name what it selects: {', '.join(_SELECTORS)}")
    options = {name: rule[name] for name in _OPTIONS if name in rule}
    if not options:
        raise ConfigError(f"{source}: name what it sets: {', '.join(_OPTIONS)}")
    checks = {**_CHECKS, "chests": lambda value: _chests(value, chest_names)}
    try:
        for part in (selectors, options):
            for name in part:
                part[name] = checks[name](part[name])
    except ValueError as error:
        raise ConfigError(f"{source}: {name!r} is {rule[name]!r}: {error}") from None
    return Rule(selectors, options, source)


def _pattern(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected a text")


def _methods(value: Any) -> frozenset[str]:
    return frozenset(name.upper() for name in config.names(value))


def _sample(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise ValueError("expected a share above 0 and at most 1; to record nothing: 'record': False")


def _record(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _chests(value: Any, chest_names: Sequence[str]) -> tuple[str, ...]:
    listed = config.names(value)
    for name in listed:
        if name not in chest_names:
            near = difflib.get_close_matches(name, chest_names, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(chest_names)}"
            raise ValueError(f"there is no chest {name!r}; {advice}")
    if not listed:
        raise ValueError("expected names of chests; to record nothing: 'record': False")
    return listed


_CHECKS = {
    "rule": _pattern,
    "endpoint": _pattern,
    "blueprint": _pattern,
    "methods": _methods,
    "track": config.tracked_vars,
    "sample": _sample,
    "record": _record,
}


def _is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _matches(pattern: str, word: str | None) -> bool:
    if word is None:
        return False
    if not _is_glob(pattern):
        return pattern == word
    # Not fnmatch: "[" is a plain character of URL rules.
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    return re.fullmatch("".join(parts), word, re.S) is not None


def _within(pattern: str, blueprint: str | None) -> bool:
    return any(_matches(pattern, name) for name in _and_parents(blueprint))


def _and_parents(blueprint: str | None) -> list[str]:
    """``shop.admin`` -> ``["shop.admin", "shop"]``, as ``request.blueprints`` has it."""
    names = []
    while blueprint:
        names.append(blueprint)
        blueprint = blueprint.rpartition(".")[0]
    return names
