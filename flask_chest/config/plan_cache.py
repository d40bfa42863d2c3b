"""One plan per endpoint and method, compiled when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .._process import ProcessLock
from .plan import Override, Plan
from .rule import Route, Rule
from .ruleset import RuleSet


class PlanCache:
    """What each route records: a request costs one look-up, however many rules there are.

    :param rules: the app's rules.
    :param late: rules that can be told only once the app is whole; asked for when plans are made.
    :param routes: all routes of the app, as they are when it is called.
    :param override_of: what a decorator says of an endpoint's view; ``None`` stands for no view.
    :param report: told, with the first request, of the rules that select nothing.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        late: Callable[[], Iterable[tuple[dict[str, Any], str]]],
        routes: Callable[[], Iterable[Route]],
        override_of: Callable[[str | None], Override | None],
        report: Callable[[list[Rule]], None],
    ) -> None:
        self.rules = rules
        self._late = late
        self._routes = routes
        self._override_of = override_of
        self._report = report
        self._reported = False
        self._compiling = ProcessLock()
        #: By route.
        self.known: dict[tuple[str | None, str | None, str] | None, Plan] = {}
        self._overrides: dict[tuple[str | None, str], Override] = {}

    def get(self, route: Route) -> Plan:
        """The plan of a route and method, for a record."""
        return self.known.get(route) or self._first(route)

    def show(self, route: Route) -> Plan:
        """The plan of a route and method, for people to look at: nothing is reported."""
        with self._compiling.mine:
            return self.known.get(route) or self._compile(route)

    def add_rule(self, rule: dict[str, Any], source: str) -> None:
        """Take in one more rule; plans are compiled anew.

        :raises flask_chest.errors.ConfigError: the rule is wrong.
        """
        self.rules.add(rule, source)
        self.forget()

    def forget(self) -> None:
        """Compile plans anew: what they stand on has changed."""
        # Not cleared: one that is being made now goes with the old ones.
        self.known = {}

    def override(self, route: Route, override: Override) -> None:
        """Take in what a decorator says of the view that is serving this route."""
        key = route.endpoint, route.method
        if self._overrides.get(key) is not override:
            with self._compiling.mine:
                self._overrides[key] = override
                self.known.pop(route, None)

    def unmatched(self) -> list[Rule]:
        """The rules that select no route of the app."""
        with self._compiling.mine:
            self._add_late_rules()
        return self.rules.unmatched(self._routes())

    def _first(self, route: Route) -> Plan:
        if not self._reported:
            self._reported = True
            unmatched = self.unmatched()
            if unmatched:
                self._report(unmatched)
        return self.show(route)

    def _add_late_rules(self) -> None:
        for rule, source in self._late():
            self.rules.add(rule, source)

    def _compile(self, route: Route) -> Plan:
        known = self.known
        self._add_late_rules()
        override = self._overrides.get((route.endpoint, route.method))
        if override is None:
            override = self._override_of(route.endpoint)
        plan = known[route] = self.rules.plan(route, override)
        return plan
