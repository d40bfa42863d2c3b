"""Time of pages and commands over a million records, and their effect on requests.

``python -m benchmarks.reading [sqlite postgresql] [--records N]``. The records are distributed over
a year, with a daily rhythm, and their hours are rolled up as in a running app. ``--days 36.5``
distributes them over fewer days: the last day then has as many records as that of a year with ten
times the records.

For each answer the benchmark prints wall time and CPU time in ms, including that of a PostgreSQL on
this machine: the minimum of some runs, and the median, which other work on the machine increases.
Commands run in this process, so the start of the interpreter is not included.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, g
from flask.testing import FlaskClient

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.chests.sql.sql_chest import SQLChest
from flask_chest.cli import chest as commands
from flask_chest.operations.background_retention import Maintenance
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record
from tests.servers.postgresql import PostgreSQL

from .cpu_clock import Processor
from .promises import Promise, load, report_promises

_ROUTES = [f"/api/v1/resource{number}/<int:id>" for number in range(19)] + ["/search"]
_RUNS = 7
_HEAD = "   first   least  median     CPU"
_BATCH = 5000
_TOKEN = "only for the benchmarks"

PAGES = (
    "/?since=RANGE",
    "/?since=RANGE&where=tenant%3Dacme",
    "/variable?since=RANGE&name=total",
    "/variable?since=RANGE&name=tenant",
    "/variable?since=RANGE&name=user_id&as=words",
    "/variable?since=RANGE&name=request_id",  # a different value for each record
    "/compare?since=RANGE&a=1.0&b=1.1",
    "/requests?since=RANGE",
    "/requests?since=RANGE&where=status%3E%3D500",
    "/health",
)
COMMANDS = (
    "stats --since RANGE",
    "stats --since RANGE --by tenant",
    "stats --since RANGE --by user_id --of total",
    "stats --since RANGE --by request_id",
    "stats --since RANGE --where status>=500",
    "tail --no-follow -n 20",
    "status",
)


class Taken(NamedTuple):
    """The times of one answer, in ms.

    :param first: time of the first run.
    :param least: minimum of the other runs.
    :param median: median of the other runs.
    :param cpu: minimum CPU time of the other runs.
    """

    first: float
    least: float
    median: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", default=["sqlite"])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument(
        "--days",
        type=float,
        default=365,
        help="number of days that the records are distributed over",
    )
    parser.add_argument("--folder", help="folder of SQLite's file; an existing file is used")
    parser.add_argument(
        "--url", help="URL of a running PostgreSQL; it is filled if it is empty, and kept"
    )
    given = parser.parse_args()
    for store in given.stores:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or temporary
            if store == "postgresql" and given.url:
                run(Path(folder), given.url, given)
            elif store == "postgresql":
                with PostgreSQL() as server:
                    run(Path(folder), server.url, given)
            else:
                run(Path(folder), "sqlite:///chest.db", given)


def run(folder: Path, url: str, given: argparse.Namespace) -> None:
    app = make_app(folder, url)
    state = get_state(app)
    [chest] = state.chests
    assert isinstance(chest, SQLChest)
    reader = SQLReader(chest)
    if not reader.latest(1):
        fill(chest, given.records, given.days)
    reader.close()
    client, processor, promises = log_in(app), Processor(url), []
    for name, words, limit in (("day", "1 day", 300), ("year", "365 days", 1000)):
        print(f"\n  {f'over the last {name}, at most {limit} ms':<44}{_HEAD}   ({load()})")
        answers = asked(app, client, words)
        taken = [measure(what, run_it, processor, limit) for what, run_it in answers]
        what = f"{chest.scheme}, {given.records:,} records, last {name}: ms of the slowest answer"
        promises.append(Promise(what, max(each.median for each in taken), limit))
        promises.append(Promise(f"{what}'s CPU", max(each.cpu for each in taken), limit))
    slower = beside_requests(app, client)
    what = f"{chest.scheme}: a request while a live page is open, times"
    promises.append(Promise(what, slower, 1.1))
    report_promises(promises)
    state.delivery.close()
    chest.close()


def asked(
    app: Flask, client: FlaskClient, words: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    """The names of all answers, and functions that request them.

    :param words: the time range.
    """
    for page in PAGES:
        path = "/chest" + page.replace("RANGE", words.replace(" ", "+"))
        yield page, partial(ask, client, path)
    for command in COMMANDS:
        arguments = [words if each == "RANGE" else each for each in command.split()]
        yield command, partial(invoke, app, arguments)


def fill(chest: SQLChest, count: int, days: float) -> None:
    begun = time.perf_counter()
    for batch in batches(count, days):
        chest.write(batch)
    print(f"\n{chest.scheme}: {count:,} records written in {time.perf_counter() - begun:.0f} s")
    begun = time.perf_counter()
    Maintenance([chest], None).run(threading.Event())
    print(f"  rolled up in {time.perf_counter() - begun:.0f} s")


def make_app(folder: Path, url: str, **config: Any) -> Flask:
    app = Flask("bench", instance_path=str(folder))
    app.config.update(
        CHEST_CHESTS=[url], CHEST_DASHBOARD=True, CHEST_DASHBOARD_TOKEN="only for the benchmarks"
    )
    app.config.update(config)
    FlaskChest(app)

    @app.get("/work")
    def work() -> str:
        g.user_id = 42
        g.tenant = "acme"
        return "done"

    return app


def batches(count: int, days: float) -> Iterator[Batch]:
    chance = random.Random(1)
    end = datetime.now(timezone.utc)
    for begin in range(0, count, _BATCH):
        numbers = range(begin, min(begin + _BATCH, count))
        yield Batch([encode(_record(n / count, n, end, days, chance)) for n in numbers])


def _record(share: float, number: int, end: datetime, days: float, chance: random.Random) -> Record:
    wave = 0.3 * math.sin(share * days * 2 * math.pi) / (days * 2 * math.pi)
    time_ = end - timedelta(days=days * (1 - share - wave), seconds=1)
    route = chance.choice(_ROUTES)
    return Record(
        id=f"{int(time_.timestamp() * 1000):012x}7{number:019x}",
        time=time_,
        request_id=f"r{number}",
        method="GET",
        route=route,
        endpoint=route,
        status=500 if number % 97 == 0 else 200,
        duration_ms=chance.lognormvariate(3, 0.7),
        vars={
            "tenant": chance.choice(("acme", "umbrella", "initech", "globex", "hooli")),
            "user_id": chance.randrange(100_000),
            "total": chance.expovariate(1 / 60),
            "plan": "pro",
            "cached": number % 2 == 0,
        },
        tags={"version": "1.1" if share > 0.5 else "1.0"},
    )


def log_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    page = client.get("/chest/login").text
    form = page.partition('name="form" value="')[2].partition('"')[0]
    client.post("/chest/login", data={"token": _TOKEN, "form": form})
    return client


def ask(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])


def invoke(app: Flask, arguments: list[str]) -> None:
    result = app.test_cli_runner().invoke(commands, arguments)
    assert result.exit_code == 0, result.output


def measure(what: str, run_it: Callable[[], object], processor: Processor, limit: float) -> Taken:
    """Measure one answer, print its times and return them."""
    times, used = [], []
    for _ in range(_RUNS):
        begun, before = time.perf_counter(), processor.used()
        run_it()
        times.append((time.perf_counter() - begun) * 1000)
        used.append(processor.used() - before)
    taken = Taken(times[0], min(times[1:]), statistics.median(times[1:]), min(used[1:]))
    figures = "".join(f"{figure:8.0f}" for figure in taken)
    print(f"    {what:<42}{figures}{'' if taken.median <= limit else '   OVER'}", flush=True)
    return taken


def beside_requests(app: Flask, reader: FlaskClient) -> float:
    """Factor by which requests are slower while the dashboard is being read."""
    client, ended = app.test_client(), threading.Event()

    def read() -> None:
        while not ended.is_set():
            with suppress(AssertionError):
                ask(reader, "/chest/?since=1+day")
            ended.wait(5)  # as often as a live page

    alone, beside = [], []
    for _ in range(3):
        alone.append(per_request(client, 2))
        ended.clear()
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        beside.append(per_request(client, 5))
        ended.set()
        thread.join()
    for what, place in (("median", 0), ("p99", 1)):
        one, other = (statistics.median(each[place] for each in found) for found in (alone, beside))
        told = f"{one * 1e6:.0f} us alone, {other * 1e6:.0f} us while a live page is open"
        print(f"  a request, {what}: {told} ({other / one:.2f} times)")
    one, other = (statistics.median(each for each, _ in found) for found in (alone, beside))
    return other / one


def per_request(client: FlaskClient, seconds: float) -> tuple[float, float]:
    """The median and the p99 of the time of a request."""
    taken = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        client.get("/work")
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


if __name__ == "__main__":
    main()
