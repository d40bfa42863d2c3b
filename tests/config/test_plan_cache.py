"""Plans are made when they are first asked for, by whichever thread comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from flask_chest.capture.encoding_cache import EncodingCache
from flask_chest.config.plan import Override, Plan
from flask_chest.config.plan_cache import PlanCache
from flask_chest.config.rule import Route
from flask_chest.config.ruleset import RuleSet

ROUTE = Route("/", "home", "GET")
LATE: dict[str, Any] = {"endpoint": "home", "track": ["late"]}


def make_plans(rules: RuleSet, late: Any = lambda: ()) -> PlanCache[EncodingCache]:
    return PlanCache(
        rules,
        entry=EncodingCache,
        late=late,
        routes=lambda: [ROUTE],
        override_of=lambda _: None,
        report=lambda _: None,
    )


class Held(threading.Thread):
    """Asks for a plan, in a thread of its own."""

    def __init__(self, plans: PlanCache[EncodingCache]) -> None:
        super().__init__()
        self._plans = plans

    def run(self) -> None:
        self.plan = self._plans.get(ROUTE).plan


def test_two_first_requests_at_once() -> None:
    """Both heed the rules that only the first one is told."""
    telling, told = threading.Event(), threading.Event()
    waiting = [(LATE, "track('home')")]

    def late() -> Iterator[tuple[dict[str, Any], str]]:
        while waiting:
            found = waiting.pop()
            telling.set()
            told.wait(0.2)  # in vain, where the other one waits for this
            yield found

    plans = make_plans(RuleSet([], 1.0, []), late)
    first = Held(plans)
    first.start()
    assert telling.wait(10)
    second = plans.get(ROUTE).plan
    told.set()
    first.join()
    assert (first.plan.names, second.names) == (("late",), ("late",))


def test_a_rule_that_comes_while_a_plan_is_made() -> None:
    """The plan was made without it; the next request gets another one."""
    begun, added = threading.Event(), threading.Event()

    class Slow(RuleSet):
        def plan(self, route: Route, override: Override | None = None) -> Plan:
            made = super().plan(route, override)
            if not begun.is_set():
                begun.set()
                assert added.wait(10)
            return made

    plans = make_plans(Slow([], 1.0, []))
    first = Held(plans)
    first.start()
    assert begun.wait(10)
    plans.add_rule(LATE, "track('home')")
    added.set()
    first.join()
    assert (first.plan.names, plans.get(ROUTE).plan.names) == ((), ("late",))
