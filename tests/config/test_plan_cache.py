"""Plans are compiled on first use, safely by several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from flask_chest.capture.encoding_cache import EncodingCache
from flask_chest.config.plan_cache import PlanCache
from flask_chest.config.rule_matching import Route, Rule
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


class PlanRequest(threading.Thread):
    """Requests a plan in a new thread."""

    def __init__(self, plans: PlanCache[EncodingCache]) -> None:
        super().__init__()
        self._plans = plans

    def run(self) -> None:
        self.plan = self._plans.get(ROUTE).plan


def test_two_first_requests_at_once() -> None:
    """Both threads apply the late rules, which only the first thread gets."""
    yielding, continue_ = threading.Event(), threading.Event()
    waiting = [(LATE, "track('home')")]

    def late() -> Iterator[tuple[dict[str, Any], str]]:
        while waiting:
            found = waiting.pop()
            yielding.set()
            continue_.wait(0.2)  # this times out if the other thread waits for this one
            yield found

    plans = make_plans(RuleSet([], 1.0, []), late)
    first = PlanRequest(plans)
    first.start()
    assert yielding.wait(10)
    second = plans.get(ROUTE).plan
    continue_.set()
    first.join()
    assert (first.plan.names, second.names) == (("late",), ("late",))


def test_a_rule_added_during_compilation() -> None:
    """The plan lacks the new rule, and the next request compiles another one."""
    begun, added = threading.Event(), threading.Event()

    class Slow(RuleSet):
        def matching(self, route: Route) -> list[Rule]:
            found = super().matching(route)
            if not begun.is_set():
                begun.set()
                assert added.wait(10)
            return found

    plans = make_plans(Slow([], 1.0, []))
    first = PlanRequest(plans)
    first.start()
    assert begun.wait(10)
    plans.add_rule(LATE, "track('home')")
    added.set()
    first.join()
    assert (first.plan.names, plans.get(ROUTE).plan.names) == ((), ("late",))
