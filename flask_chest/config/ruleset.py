"""All rules of one app, compiled to one plan per endpoint and method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..typing import TrackedVars
from .rule_matching import Route, Rule, is_glob, with_parents
from .rule_parsing import blueprint_rule, parse_rule
from .settings_validation import Settings


class RuleSet:
    """All rules of one app.

    :param tracked_vars: the variables that every route tracks.
    :param sample_rate: the fraction of requests to keep unless a rule sets another.
    :param chest_names: the names that a rule's ``chests`` may use; a record goes to all of them
        unless a rule names some.
    """

    def __init__(
        self, tracked_vars: TrackedVars, sample_rate: float, chest_names: Sequence[str]
    ) -> None:
        self.tracked_vars = tracked_vars
        self.sample_rate = sample_rate
        self.chest_names = tuple(chest_names)
        self.default_chests = tuple(chest_names)
        self._globs: list[Rule] = []
        self._by_rule: dict[str, list[Rule]] = {}
        self._by_endpoint: dict[str, list[Rule]] = {}
        self._by_blueprint: dict[str, list[Rule]] = {}
        self._order: dict[int, int] = {}
        self.all: list[Rule] = []

    def add(self, rule: Mapping[str, Any], source: str) -> None:
        """Validate and add one rule.

        :param source: the rule's name in errors and reports, e.g. ``CHEST_RULES[3]``.
        :raises ConfigError: the rule selects nothing, sets nothing, or has an unknown key.
        """
        parsed = parse_rule(rule, source, self.chest_names)
        self._order[id(parsed)] = len(self.all)
        self.all.append(parsed)
        self._bucket(parsed).append(parsed)

    def add_chests(self, names: Iterable[str]) -> None:
        """Add names that rules and overrides may use; only records sent to them by name get there.

        :param names: in the order of the chests' bits in a plan's mask, after all earlier names.
        """
        self.chest_names += tuple(names)

    def unmatched(self, routes: Iterable[Route]) -> list[Rule]:
        """Return the rules that match none of these routes: nearly always a typo."""
        if not self.all:
            return []  # before it reads the routes: the first request waits for this
        unmatched = {id(rule): rule for rule in self.all}
        for route in routes:
            for rule in self._candidates(route):
                if id(rule) in unmatched and rule.matches(route):
                    del unmatched[id(rule)]
        return list(unmatched.values())

    def mask(self, names: Iterable[str]) -> int:
        """Return the bits of these chests."""
        return sum(1 << self.chest_names.index(name) for name in names)

    def matching(self, route: Route) -> list[Rule]:
        """Return the rules that match a route, from general to specific."""
        found = [rule for rule in self._candidates(route) if rule.matches(route)]
        return sorted(found, key=lambda rule: (rule.rank, self._order[id(rule)]))

    def _candidates(self, route: Route) -> list[Rule]:
        found = list(self._globs)
        found += self._by_rule.get(route.rule or "", ())
        found += self._by_endpoint.get(route.endpoint or "", ())
        for name in with_parents(route.blueprint):
            found += self._by_blueprint.get(name, ())
        return found

    def _bucket(self, rule: Rule) -> list[Rule]:
        # An app may have ten thousand rules: look rules up by name instead of trying each.
        buckets = {
            "rule": self._by_rule,
            "endpoint": self._by_endpoint,
            "blueprint": self._by_blueprint,
        }
        for selector, bucket in buckets.items():
            word = rule.selectors.get(selector)
            if word is not None and not is_glob(word):
                return bucket.setdefault(word, [])
        return self._globs


def build_ruleset(settings: Settings, chest_names: Sequence[str]) -> RuleSet:
    """Build the rule set of an app from its settings.

    :param chest_names: see :class:`RuleSet`.
    :raises ConfigError: a rule is wrong.
    """
    rules = RuleSet(settings.tracked_vars, settings.sample_rate, chest_names)
    for name, options in settings.blueprints.items():
        rules.add(blueprint_rule(name, options), f"CHEST_BLUEPRINTS[{name!r}]")
    for index, rule in enumerate(settings.rules):
        rules.add(rule, f"CHEST_RULES[{index}]")
    return rules
