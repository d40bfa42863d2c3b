"""From one process to a fleet: ``python -m benchmarks.simulate``.

It measures what one core captures and delivers, and the size of a record. A small case with an
outage is measured and simulated by ``benchmarks.fleet``, to check the simulation. Then it computes
plans for larger fleets.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite

from . import store_capacity
from .capacity import (
    Figures,
    Gate,
    capture_cpu,
    clickhouse,
    make_app,
    make_lines,
    mariadb,
    postgresql,
    redis,
    sqlite,
)
from .fleet import DAY, Course, Fleet, Outage, Traffic, simulate
from .promises import load

#: The small case: a fraction of the store's rate, and an outage of the store.
LOAD, SECONDS, DOWN_AT, DOWN_FOR = 0.25, 20.0, 3.0, 5.0
#: Assumptions of the plans: CPU time of a view, and utilization of cores and stores.
VIEW_CPU, CORES, USED = 0.005, 8, 0.6
PEAK = 2.0
OUTAGE = 600.0
RETENTION_DAYS = 30
OVER_HTTP = (store_capacity.otlp, store_capacity.http)


def check(figures: Figures, folder: Path) -> None:
    """Measure and simulate the small case."""
    store = FlaskChestSQLite()
    gate = Gate(store)
    chest, hand_over = make_app(store, folder)
    rate = figures.rate * LOAD
    lines = list(make_lines(round(rate * SECONDS / 1000) + 1))
    begun = time.monotonic()
    sent, most, back_at, caught_up = 0, 0, 0.0, 0.0
    while (now := time.monotonic() - begun) < SECONDS:
        gate.up = not DOWN_AT <= now < DOWN_AT + DOWN_FOR
        due = min(round(rate * now), len(lines))
        for line in lines[sent:due]:
            hand_over(line, 1)
        sent = due
        waiting = sent - gate.written
        most = max(most, waiting)
        if now > DOWN_AT + DOWN_FOR and gate.back_at and not back_at:
            back_at = gate.back_at - begun
        if back_at and not caught_up and waiting <= rate * 1.5:
            caught_up = now
        threading.Event().wait(0.01)
    chest.close()
    noticed = max(0.0, back_at - DOWN_AT - DOWN_FOR)
    outage = Outage(begin=DOWN_AT, seconds=DOWN_FOR, noticed=noticed)
    fleet = Fleet(
        machines=1,
        agent_rate=figures.rate,
        store_rate=figures.rate,
        journal_record=figures.journal,
    )
    course = simulate(fleet, Traffic(mean=rate), SECONDS, [outage], step=0.1)
    _beside("records waiting, at most", most, course.most_waiting)
    _beside("seconds until caught up", caught_up, course.caught_up or math.nan)


def plan(name: str, mean: float, request_cpu: float, figures: Figures, single: bool) -> None:
    """Compute and print the plan for some traffic.

    :param single: whether all runs on one machine.
    """
    traffic = Traffic(mean=mean, peak=PEAK)
    busiest = mean * PEAK
    machines = 1 if single else math.ceil(busiest * (VIEW_CPU + request_cpu) / (CORES * USED))
    agents = math.ceil(busiest / machines / (figures.rate * USED))
    servers = 1 if single else math.ceil(busiest / (figures.rate * USED))
    fleet = Fleet(
        machines=machines,
        agents=agents,
        agent_rate=figures.rate,
        store_rate=figures.rate * servers,
        journal_bytes=math.inf,
        journal_record=figures.journal,
    )
    noon = Outage(begin=DAY / 2, seconds=OUTAGE, noticed=30.0)
    course = simulate(fleet, traffic, DAY, [noon], step=5)
    print(f"\n  {mean:,.0f} requests per second, {busiest:,.0f} at noon, to {name}")
    print(f"    web machines of {CORES} cores    {machines:,}, with {agents} agent(s) each")
    print(f"    store servers or partitions {servers:,}")
    print(f"    a day                       {_bytes(mean * DAY * figures.stored)}")
    kept = mean * DAY * figures.stored * RETENTION_DAYS
    print(f"    {RETENTION_DAYS} days                     {_bytes(kept)}")
    _print_outage(course)


def _print_outage(course: Course) -> None:
    caught = "-" if course.caught_up is None else f"{course.caught_up - DAY / 2 - OUTAGE:,.0f} s"
    print(f"    outage of the store for {OUTAGE / 60:.0f} min at noon:")
    print(f"      journal of a machine      {_bytes(course.most_bytes)} at most")
    print(f"      longest wait              {course.longest_wait:,.0f} s; caught up {caught} later")


def _beside(what: str, measured: float, simulated: float) -> None:
    ratio = simulated / measured if measured else math.nan
    print(f"  {what:28} measured {measured:10,.1f}  simulated {simulated:10,.1f}  {ratio:.2f}")


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} PiB"


def main() -> None:
    """Measure, check the simulation, and print plans."""
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as root:
        folders: dict[Callable[..., object], Path] = {}
        others = (
            mariadb,
            store_capacity.mongodb,
            store_capacity.influxdb,
            store_capacity.kafka,
            redis,
            *OVER_HTTP,
        )
        for each in (capture_cpu, sqlite, postgresql, clickhouse, check, *others):
            folders[each] = Path(root, each.__name__)
            folders[each].mkdir()
        cpu = capture_cpu(folders[capture_cpu])
        print(f"Measured here ({load()})")
        print(f"  one core captures {1 / cpu:,.0f} requests per second, with a minimal view")
        small = sqlite(folders[sqlite])
        middle = postgresql(folders[postgresql])
        large = clickhouse(folders[clickhouse])
        for other in others:
            other(folders[other])
        print("\nThe simulation compared with a small case")
        check(small, folders[check])
    print(f"\nPlans (a view of {VIEW_CPU * 1000:.0f} ms CPU; cores and stores used to {USED:.0%})")
    plan("SQLite", 10, cpu, small, single=True)
    plan("PostgreSQL", 1_000, cpu, middle, single=False)
    plan("ClickHouse", 100_000, cpu, large, single=False)


if __name__ == "__main__":
    main()
