"""From one process to a fleet: ``python -m benchmarks.simulate``.

What one core captures and delivers and what a record weighs is measured here; a small case, paced
and with an outage, shows whether the simulation of ``benchmarks.fleet`` tells the truth; then it
works out plans for machines that are not here.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.test import run_wsgi_app

from flask_chest import Chest, FlaskChest
from flask_chest.chests.postgresql import FlaskChestPostgreSQL
from flask_chest.chests.sqlite import FlaskChestSQLite
from flask_chest.encoding import encode
from flask_chest.errors import DeliveryError
from flask_chest.record import Record
from tests.servers.postgresql import PostgreSQL

from . import apps
from .fleet import DAY, Course, Fleet, Outage, Traffic, simulate
from .rounds import make_records
from .verdicts import load

RECORDS = int(os.environ.get("SIMULATE_RECORDS", "60000"))
REQUESTS = 5_000
#: The small case: a part of what the store takes, and a store that is away for a while.
LOAD, SECONDS, DOWN_AT, DOWN_FOR = 0.25, 20.0, 3.0, 5.0
#: The plans' assumptions: a view's own CPU, and how much of a core or a store is to be used.
VIEW_CPU, CORES, USED = 0.005, 8, 0.6
PEAK = 2.0
OUTAGE = 600.0
RETENTION_DAYS = 30


class Gate:
    """Before a store: it is down until told otherwise, and counts."""

    def __init__(self) -> None:
        self.up = True
        self.written = 0
        self.back_at = 0.0

    def store(self, write: Callable[[Sequence[Record]], None], records: Sequence[Record]) -> None:
        """Let records through to a store, or not."""
        if not self.up:
            self.back_at = 0.0
            raise DeliveryError("down")
        write(records)
        self.written += len(records)
        self.back_at = self.back_at or time.monotonic()


class GatedSQLite(FlaskChestSQLite):
    """The store of one machine."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def write(self, records: Sequence[Record]) -> None:
        self._gate.store(super().write, records)


class GatedPostgreSQL(FlaskChestPostgreSQL):
    """A store of many."""

    def __init__(self, url: str, gate: Gate) -> None:
        super().__init__(url)
        self._gate = gate

    def write(self, records: Sequence[Record]) -> None:
        self._gate.store(super().write, records)


@dataclass(frozen=True)
class Figures:
    """What one store was measured to do.

    :param rate: records a second, delivered by one process.
    :param journal: bytes of a record in the journal.
    :param stored: bytes of a record in the store, with its indexes.
    """

    rate: float
    journal: float
    stored: float


def capture_cpu(folder: Path) -> float:
    """Seconds of CPU of a request with the least of views: Flask's own and ours."""
    app = apps.disk(folder)
    for _ in range(500):
        run_wsgi_app(app, dict(apps.ENVIRON))
    begun = time.process_time()
    for _ in range(REQUESTS):
        run_wsgi_app(app, dict(apps.ENVIRON))
    taken = time.process_time() - begun
    app.extensions["chest"].close()
    return taken / REQUESTS


def measure(store: Chest, gate: Gate, folder: Path, weigh: Callable[[], float]) -> Figures:
    """Let records wait, then have them delivered.

    :param weigh: bytes that the store takes by now.
    """
    chest, hand_over = _app(store, folder)
    for line in map(encode, make_records()):
        hand_over(line, 1)
    assert chest.flush(60)  # tables are made once
    gate.up = False
    empty = weigh()
    for _ in range(RECORDS // 1000):
        for line in map(encode, make_records()):
            hand_over(line, 1)
    journal = sum(path.stat().st_size for path in folder.glob("chest-journal/*/*.segment"))
    gate.up = True
    begun = time.perf_counter()
    assert chest.flush(None)
    rate = RECORDS / (time.perf_counter() - begun)
    chest.close()
    return Figures(rate, journal / RECORDS, (weigh() - empty) / RECORDS)


def check(figures: Figures, folder: Path) -> None:
    """The small case, measured and simulated."""
    gate = Gate()
    chest, hand_over = _app(GatedSQLite(gate), folder)
    rate = figures.rate * LOAD
    lines = [
        encode(record) for _ in range(round(rate * SECONDS / 1000) + 1) for record in make_records()
    ]
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
    """Work out and print what so much traffic takes.

    :param single: everything is on one machine.
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
    print(f"\n  {mean:,.0f} requests a second, {busiest:,.0f} at noon, to {name}")
    print(f"    web machines of {CORES} cores    {machines:,}, with {agents} agent(s) each")
    print(f"    store servers or partitions {servers:,}")
    print(f"    a day                       {_bytes(mean * DAY * figures.stored)}")
    kept = mean * DAY * figures.stored * RETENTION_DAYS
    print(f"    {RETENTION_DAYS} days                     {_bytes(kept)}")
    _print_outage(course)


def _print_outage(course: Course) -> None:
    caught = "-" if course.caught_up is None else f"{course.caught_up - DAY / 2 - OUTAGE:,.0f} s"
    print(f"    the store away for {OUTAGE / 60:.0f} min at noon:")
    print(f"      journal of a machine      {_bytes(course.most_bytes)} at most")
    print(f"      longest wait              {course.longest_wait:,.0f} s; caught up {caught} later")


def _app(store: Chest, folder: Path) -> tuple[FlaskChest, Callable[[bytes, int], None]]:
    app = apps.bare(folder)
    app.config.update(CHEST_CHESTS=[store], CHEST_BUFFER_MAX_BYTES=4 * 2**30)
    chest = FlaskChest(app)
    return chest, chest.of(app).carrier.hand_over


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
    """Measure, check, plan."""
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as root:
        folder = Path(root)
        for name in ("capture", "sqlite", "postgresql", "check"):
            (folder / name).mkdir()
        cpu = capture_cpu(folder / "capture")
        print(f"Measured here ({load()})")
        print(f"  one core captures {1 / cpu:,.0f} requests a second, the least of views included")
        database = folder / "sqlite" / "chest.db"
        gate = Gate()
        small = measure(GatedSQLite(gate), gate, folder / "sqlite", lambda: database.stat().st_size)
        _tell("SQLite", small)
        large = _with_postgresql(folder / "postgresql")
        print("\nThe simulation beside a small case")
        check(small, folder / "check")
        print(
            f"\nPlans (a view of {VIEW_CPU * 1000:.0f} ms CPU; cores and stores used to {USED:.0%})"
        )
        plan("SQLite", 10, cpu, small, single=True)
        plan("PostgreSQL", 1_000, cpu, large, single=False)
        plan("PostgreSQL, by partitions", 100_000, cpu, large, single=False)


def _with_postgresql(folder: Path) -> Figures:
    import psycopg

    with PostgreSQL() as server:

        def weigh() -> float:
            with psycopg.connect(server.url) as connection:
                asked = connection.execute("SELECT pg_total_relation_size('chest_records')")
                found: Any = asked.fetchone()
                return float(found[0])

        gate = Gate()
        figures = measure(GatedPostgreSQL(server.url, gate), gate, folder, weigh)
    _tell("PostgreSQL", figures)
    return figures


def _tell(name: str, figures: Figures) -> None:
    print(
        f"  {name:12}{figures.rate:8,.0f} records a second from one process; "
        f"{figures.journal:.0f} bytes a record in the journal, {figures.stored:.0f} in the store"
    )


if __name__ == "__main__":
    main()
