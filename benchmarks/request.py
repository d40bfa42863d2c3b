"""Cost that Flask-Chest and each alternative add to a request: ``python -m benchmarks.request``.

All variants of one app, with five variables on ``g``, are called through the WSGI callable, in
turn. The added cost of a variant is the time of its requests less that of the bare app in the same
round. Delivery is disabled (one batch a day), so that only the request is measured; the cost of
delivery is measured by ``benchmarks.delivery``.

``FLASK_CHEST_OLD`` is the Python of an environment with flask-chest 0.0.10 and with icecream, which
that version needs but does not require.
"""

from __future__ import annotations

import os
import sys
from statistics import median, quantiles
from typing import NamedTuple

from .installed import installed
from .promises import Promise, load, report_promises
from .workers import Cost, Worker

GENERATIONS = 7
ROUNDS = 25
STRETCH = 100

_NAMES = {
    "bare": "bare Flask",
    "silent": "two receivers that do nothing",
    "least": "two receivers: dict(vars(g))",
    "floor": "the floor: two receivers copy g",
    "by_hand": "by hand: orjson, one write, no more",
    "disk": "Flask-Chest, disk",
    "python": "Flask-Chest, disk, not compiled",
    "memory": "Flask-Chest, memory",
    "none": "Flask-Chest, none (to no store)",
    "prometheus": "prometheus-flask-exporter",
    "dockerflow": "python-dockerflow",
    "opentelemetry": "OpenTelemetry",
    "elastic": "elastic-apm",
    "sentry": "sentry-sdk, traces on",
    "dashboard": "Flask-MonitoringDashboard",
    "old": "flask-chest 0.0.10",
}
_TOGETHER = (
    *("bare", "silent", "least", "floor", "by_hand"),
    *("disk", "memory", "none"),
    *("prometheus", "dockerflow", "opentelemetry"),
)


class Group(NamedTuple):
    """Variants that share a process, since they do not affect each other."""

    names: tuple[str, ...]
    python: str = sys.executable


#: Costs of the rounds of one generation, by variant.
Rounds = dict[str, list[Cost]]


class Added(NamedTuple):
    """Microseconds that a variant adds to a request, for each round of each generation."""

    cpu: list[list[float]]
    wall: list[float]
    all_cpu: list[float]
    #: By the fastest requests of each generation, since other work can only add time.
    least: list[float]

    @property
    def middles(self) -> list[float]:
        """The median of each generation."""
        return [median(each) for each in self.cpu]


def main() -> None:
    generations = [_generation(number) for number in range(GENERATIONS)]
    names = [name for name in _NAMES if all(name in each for each in generations)]
    added = {name: _added(name, generations) for name in names if name != "bare"}
    print(f"\nA request, five variables: {GENERATIONS} generations of {ROUNDS} rounds of {STRETCH}")
    print(f"requests each; Python {sys.version.split()[0]}, {load()}")
    bare = [cost.cpu for each in generations for cost in each["bare"]]
    print(f"the bare app: {median(bare):.1f} us of CPU (at least {min(bare):.1f})\n")
    print(f"{'':34}of floor  of prom.   added us of CPU    at least    wall   all CPU")
    for name, each in added.items():
        _print_line(_NAMES[name], each, added)
    report_promises(promises(added))


def promises(added: dict[str, Added]) -> list[Promise]:
    """The promises about these figures."""
    limits = {"floor": 2.0, "prometheus": 0.6, "opentelemetry": 0.12}
    return [
        Promise(
            f"disk journal, cost relative to {_NAMES[rival]}",
            median(ratios(added["disk"], added[rival])),
            limit,
        )
        for rival, limit in limits.items()
        if rival in added
    ]


def ratios(one: Added, other: Added) -> list[float]:
    """The ratio of two costs, in each generation."""
    return [a / b for a, b in zip(one.middles, other.middles, strict=True)]


def _generation(number: int) -> Rounds:
    together = installed(_TOGETHER)
    groups = [Group(together), Group(("python",)), Group(("elastic",)), Group(("sentry",))]
    groups += [Group(("dashboard",)), *_old()]
    if not number and (missing := set(_TOGETHER) - set(together)):
        print(f"left out: {', '.join(sorted(missing))}: not installed", flush=True)
    workers = [Worker(group.names, group.python) for group in groups]
    serving = []
    for worker in workers:
        reason = worker.why_not()
        if reason is None:
            serving.append(worker)
        elif not number:
            print(f"left out: {', '.join(worker.names)}: {reason}", flush=True)
    found: Rounds = {name: [] for worker in serving for name in worker.names}
    for turn in range(ROUNDS):
        _tell_progress(f"generation {number + 1} of {GENERATIONS}, round {turn + 1} of {ROUNDS}")
        for worker in serving:
            # The order is reversed each time, so that no variant always follows the same one.
            for name in worker.names if turn % 2 else reversed(worker.names):
                found[name].append(worker.ask(name, STRETCH))
    for worker in workers:
        worker.end()
    return found


def _old() -> list[Group]:
    python = os.environ.get("FLASK_CHEST_OLD")
    return [Group(("old",), python)] if python else []


def _added(name: str, generations: list[Rounds]) -> Added:
    pairs = [list(zip(each[name], each["bare"], strict=True)) for each in generations]
    flat = [pair for each in pairs for pair in each]
    return Added(
        [[one.cpu - bare.cpu for one, bare in each] for each in pairs],
        [one.wall - bare.wall for one, bare in flat],
        [one.all_cpu - bare.all_cpu for one, bare in flat],
        [min(one.cpu for one, _ in each) - min(bare.cpu for _, bare in each) for each in pairs],
    )


def _print_line(name: str, each: Added, added: dict[str, Added]) -> None:
    flat = [cost for generation in each.cpu for cost in generation]
    low, _, high = quantiles(flat, n=4)
    beside = [
        f"{median(ratios(each, added[rival])):8.2f}" if rival in added else " " * 8
        for rival in ("floor", "prometheus")
    ]
    print(
        f"{name:34}{' '.join(beside)} {median(flat):8.1f} ({low:.1f}-{high:.1f})"
        f"{median(each.least):10.1f}{median(each.wall):9.1f}{median(each.all_cpu):9.1f}"
    )


def _tell_progress(where: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{where} ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
