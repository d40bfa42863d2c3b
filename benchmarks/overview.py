"""Time to the overview of 100,000 requests, compared with Flask-MonitoringDashboard.

``python -m benchmarks.overview [--requests N]``. Both have the same requests of the last seven days
in SQLite. Flask-Chest's overview is one page with figures and charts. For Flask-MonitoringDashboard
the page and ``api/overview`` are counted, which its page needs, but no further work of a browser.
Both are called in turn through the WSGI callable.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from flask.testing import FlaskClient

from flask_chest.app.state import get_state
from flask_chest.operations.background_retention import Maintenance
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record

from . import apps
from .comparison import BATCH, make_records
from .promises import Promise, load, report_promises
from .reading import log_in, make_app

ROUNDS = 9
WEEK = 7 * 86_400
ENDPOINTS = 20


class Request(NamedTuple):
    """One request, which both get."""

    time: datetime
    endpoint: str
    duration_ms: float
    status: int


def main() -> None:
    """Fill both, request both overviews in turn, and print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    given = parser.parse_args()
    traffic = make_traffic(given.requests)
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
        askers = {"Flask-Chest": ours(Path(folder), traffic)}
        try:
            askers["Flask-MonitoringDashboard"] = theirs(Path(folder), traffic)
        except ImportError as error:
            print(f"left out: Flask-MonitoringDashboard: {error}")
        found = compare(askers)
    print(f"\nThe overview of {given.requests:,} requests ({ROUNDS} rounds; {load()})")
    for name, (times, cpu) in found.items():
        print(f"  {name:28}{times * 1000:8.0f} ms{cpu * 1000:8.0f} ms of CPU")
    if len(found) == 2:
        (one, _), (other, _) = found.values()
        report_promises(
            [Promise("the overview, relative to Flask-MonitoringDashboard", one / other, 1.0)]
        )


def compare(askers: dict[str, Callable[[], None]]) -> dict[str, tuple[float, float]]:
    """The median wall and CPU time of each, in seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in askers}
    for number in range(ROUNDS + 1):
        for name in askers if number % 2 else reversed(askers):
            begun, used = time.perf_counter(), time.process_time()
            askers[name]()
            taken[name].append((time.perf_counter() - begun, time.process_time() - used))
    return {
        name: (median(each for each, _ in rounds[1:]), median(cpu for _, cpu in rounds[1:]))
        for name, rounds in taken.items()
    }


def make_traffic(count: int) -> list[Request]:
    """Requests of the last seven days, the oldest first."""
    chance, end = random.Random(1), datetime.now(timezone.utc)
    return [
        Request(
            end - timedelta(seconds=WEEK * (1 - number / count) - 1),
            f"view{chance.randrange(ENDPOINTS)}",
            chance.lognormvariate(3, 0.7),
            500 if number % 97 == 0 else 200,
        )
        for number in range(count)
    ]


def ours(folder: Path, traffic: Sequence[Request]) -> Callable[[], None]:
    """Return a function that requests Flask-Chest's overview of all requests."""
    app = make_app(folder, "sqlite:///chest.db")
    [chest] = get_state(app).chests
    for begin in range(0, len(traffic), BATCH):
        some = traffic[begin : begin + BATCH]
        records = zip(some, make_records(), strict=False)
        chest.write(Batch([encode(_record(each, like)) for each, like in records]))
    Maintenance([chest], None).run(threading.Event())
    chest.close()
    client = log_in(app)
    return lambda: _ask(client, "/chest/?since=7+days", f">view{ENDPOINTS - 1}<")


def _record(request: Request, like: Record) -> Record:
    return replace(
        like,
        id=f"{int(request.time.timestamp() * 1000):012x}{like.id[12:]}",
        time=request.time,
        route=request.endpoint,
        endpoint=request.endpoint,
        status=request.status,
        duration_ms=request.duration_ms,
    )


def theirs(folder: Path, traffic: Sequence[Request]) -> Callable[[], None]:
    """Return a function that requests Flask-MonitoringDashboard's overview.

    :raises ImportError: Flask-MonitoringDashboard is not installed.
    """
    app = apps.dashboard(folder)
    from flask_monitoringdashboard import database

    with database.session_scope() as session:
        names = [f"view{number}" for number in range(ENDPOINTS)]
        session.add_all([database.Endpoint(name=name, monitor_level=1) for name in names])
        session.flush()
        ids = {each.name: each.id for each in session.query(database.Endpoint)}
        rows: list[dict[str, Any]] = [
            {
                "endpoint_id": ids[each.endpoint],
                "duration": each.duration_ms,
                "time_requested": each.time.replace(tzinfo=None),
                "version_requested": "1.0",
                "ip": "127.0.0.1",
                "status_code": each.status,
            }
            for each in traffic
        ]
        session.bulk_insert_mappings(database.Request, rows)
    client = app.test_client()
    client.post("/dashboard/login", data={"name": "admin", "password": "admin"})

    def ask() -> None:
        _ask(client, "/dashboard/overview", "ng-app")
        _ask(client, "/dashboard/api/overview", f"view{ENDPOINTS - 1}")

    return ask


def _ask(client: FlaskClient, path: str, expected: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])
    assert expected in answer.text, (path, expected)


if __name__ == "__main__":
    main()
