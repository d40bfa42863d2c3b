"""One plan per endpoint and method, compiled when a request needs it first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from .._process_lock import ProcessLock
from .plan_compiler import Override, Plan, compile_plan
from .rule_matching import Route, Rule
from .ruleset import RuleSet


class PlanEntry(Protocol):
    """An entry of the cache for a route: the plan, and anything that must go with the plan."""

    @property
    def plan(self) -> Plan:
        """The plan of the route."""


Entry = TypeVar("Entry", bound=PlanEntry)

# A view may decorate another function in each request.
_MAX_OVERRIDDEN = 1024


class PlanCache(Generic[Entry]):
    """What each route records: a request costs one look-up, however many rules there are.

    :param rules: the app's rules.
    :param entry: makes the entry of a route from its compiled plan.
    :param late: returns rules that depend on the complete app; called before plans are compiled.
    :param routes: returns all routes that the app has at the time of the call.
    :param override_of: returns what a decorator sets for the view of a route, if any.
    :param report: called with the rules that select nothing, once, with the first request.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        entry: Callable[[Plan], Entry],
        late: Callable[[], Iterable[tuple[dict[str, Any], str]]],
        routes: Callable[[], Iterable[Route]],
        override_of: Callable[[Route], Override | None],
        report: Callable[[list[Rule]], None],
    ) -> None:
        self.rules = rules
        self._entry = entry
        self._late = late
        self._routes = routes
        self._override_of = override_of
        self._report = report
        self._reported = False
        self._compiling = ProcessLock()
        #: Entries by route.
        self.known: dict[tuple[str | None, str | None, str] | None, Entry] = {}
        self._overridden: dict[tuple[Route, int], tuple[Override, Entry]] = {}

    def get(self, route: Route) -> Entry:
        """Return the entry of a route and method, for a record."""
        return self.known.get(route) or self._first(route)

    def show(self, route: Route) -> Plan:
        """Return the plan of a route and method for display: unmatched rules are not reported."""
        return self._get_or_compile(route).plan

    def add_rule(self, rule: dict[str, Any], source: str) -> None:
        """Add one more rule and drop all compiled plans.

        :raises flask_chest.errors.ConfigError: the rule is wrong.
        """
        self.rules.add(rule, source)
        self.invalidate()

    def invalidate(self) -> None:
        """Drop all compiled plans, because the rules or chests behind them have changed."""
        # A new dict: a plan that another thread compiles right now goes into the old one.
        self.known = {}
        self._overridden = {}

    def get_overridden(self, route: Route, override: Override) -> Entry:
        """Return the entry of one request whose route has a decorator that the cache cannot find.

        :param override: what the decorator sets.
        """
        self.get(route)  # reports unmatched rules
        key = route, id(override)
        found = self._overridden.get(key)
        if found is None:
            with self._compiling.mine:
                # With the override, so that no other one gets the same id.
                found = override, self._entry(compile_plan(self.rules, route, override))
                if len(self._overridden) >= _MAX_OVERRIDDEN:
                    self._overridden = {}
                self._overridden[key] = found
        return found[1]

    def unmatched(self) -> list[Rule]:
        """Return the rules that select no route of the app."""
        with self._compiling.mine:
            self._add_late_rules()
        return self.rules.unmatched(self._routes())

    def _first(self, route: Route) -> Entry:
        if not self._reported:
            self._reported = True
            unmatched = self.unmatched()
            if unmatched:
                self._report(unmatched)
        return self._get_or_compile(route)

    def _get_or_compile(self, route: Route) -> Entry:
        with self._compiling.mine:
            return self.known.get(route) or self._compile(route)

    def _add_late_rules(self) -> None:
        for rule, source in self._late():
            self.rules.add(rule, source)

    def _compile(self, route: Route) -> Entry:
        known = self.known
        self._add_late_rules()
        override = self._override_of(route)
        entry = known[route] = self._entry(compile_plan(self.rules, route, override))
        return entry
