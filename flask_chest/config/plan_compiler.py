"""Plans: the rules that match a route and method compile to one plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..typing import TrackedVars
from .rule_matching import Route
from .ruleset import RuleSet


@dataclass(slots=True)
class Plan:
    """The plan of one endpoint and method. A request looks it up instead of matching rules.

    :param names: the variables to track, in order; ``None`` tracks all of ``g``.
    :param named: the variables that a setting, rule or decorator names; includes ``names``.
    :param mask: a bit for each chest that gets the record.
    :param sample: the fraction of records to keep.
    :param record: whether requests are recorded at all.
    :param request_id_generator: the generator of the view's decorator, if any.
    :param sources: the rules that apply, for ``flask chest rules`` and ``explain``.
    :param blueprint: the full name of the route's blueprint.
    """

    route: Route
    names: tuple[str, ...] | None
    named: frozenset[str]
    mask: int
    sample: float
    record: bool
    request_id_generator: Any = None
    sources: tuple[str, ...] = ()
    blueprint: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """The settings of a decorator for its view; they win over all rules.

    :param tracked_vars: the variables to track, if ``tracks`` is true.
    :param tracks: whether ``tracked_vars`` apply.
    :param chests: the names of the decorator's chests; ``None`` keeps the app's chests, and an
        empty tuple records nothing.
    """

    tracked_vars: TrackedVars = None
    tracks: bool = False
    chests: tuple[str, ...] | None = None
    request_id_generator: Any = None


def compile_plan(rules: RuleSet, route: Route, override: Override | None = None) -> Plan:
    """Compile the plan of one route and method."""
    matching = rules.matching(route)
    tracking = _Tracking()
    tracking.add(rules.tracked_vars, route.method)
    mask = rules.mask(rules.default_chests)
    plan = Plan(route, None, frozenset(), mask, rules.sample_rate, True)
    plan.blueprint = route.blueprint
    for rule in matching:
        if "track" in rule.options:
            tracking.add(rule.options["track"], route.method)
        if "chests" in rule.options:
            plan.mask = rules.mask(rule.options["chests"])
        plan.sample = rule.options.get("sample", plan.sample)
        plan.record = rule.options.get("record", plan.record)
    sources = [rule.source for rule in matching]
    if override is not None:
        tracking = _overridden(override, tracking, route.method)
        plan.request_id_generator = override.request_id_generator
        if override.chests is not None:
            plan.mask = rules.mask(override.chests)
            plan.record = plan.record and bool(override.chests)
        sources.append("@flask_chest")
    plan.names, plan.named = tracking.names(), tracking.named()
    plan.sources = tuple(sources)
    return plan


class _Tracking:
    """The union of the variables that several rules track, in the order of the rules."""

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
        # An empty list in a rule means "track nothing here".
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
