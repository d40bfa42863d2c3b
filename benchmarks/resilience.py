"""Cost of a failing store: latency while it hangs, memory while it is down, time to catch up.

``python -m benchmarks.resilience [latency backlog]``. ``BACKLOG`` in the environment is the number
of waiting records; default: one million.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from flask import Flask

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record
from tests.servers.gunicorn import gunicorn
from tests.torture.app import environment
from tests.torture.load import put

from .comparison import make_records
from .promises import Promise, report_promises

APP = "tests.torture.app:create_app()"
ROUNDS = 40
REQUESTS = 100


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def latency() -> None:
    """Ratio of the p99 of requests with and without a hanging store; rounds are interleaved."""
    with ExitStack() as stack:
        port = stack.enter_context(silent_port())
        hanging = {"url": f"http://127.0.0.1:{port}/", "name": "hanging"}
        servers = []
        for chests in (["sqlite:///chest.db"], ["sqlite:///chest.db", hanging]):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            env = environment(folder, CHEST_CHESTS=chests)
            servers.append(stack.enter_context(gunicorn(APP, folder, threads=2, env=env)))
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS):
            for server, seconds in zip(servers, taken, strict=True):
                seconds += [timed(server.port, f"{number}-{each}") for each in range(REQUESTS)]
    # The first rounds import modules and open connections.
    without, with_it = (sorted(seconds[len(seconds) // 10 :]) for seconds in taken)
    for name, seconds in (("without", without), ("hanging", with_it)):
        print(f"  {name:8} p50 {median(seconds) * 1e3:6.2f} ms   p99 {p99(seconds) * 1e3:6.2f} ms")
    ratio = p99(with_it) / p99(without)
    report_promises(
        [Promise("p99 of a request while a store hangs, relative to without", ratio, 1.1)]
    )


def timed(port: int, ident: str) -> float:
    begun = time.perf_counter()
    assert put(port, ident)
    return time.perf_counter() - begun


def p99(seconds: Sequence[float]) -> float:
    return seconds[int(len(seconds) * 0.99)]


class Switched(FlaskChestSQLite):
    """An SQLite chest whose store is down until it is enabled."""

    up = False

    def write(self, records: Sequence[Record]) -> None:
        if not self.up:
            raise DeliveryError("down")
        super().write(records)


def backlog(count: int) -> None:
    """Measure memory while the store is down, the time of the ledger, and the rate afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        store = Switched()
        app = Flask("resilience", instance_path=folder)
        app.config.update(CHEST_CHESTS=[store], CHEST_BUFFER_MAX_BYTES=4 * 2**30)
        chest = FlaskChest(app)
        hand_over = get_state(app).delivery.hand_over
        for line in map(encode, make_records()):
            hand_over(line, 1)
        chest.flush(10)
        idle = resident()
        for _ in range(count // 1000 - 1):
            for line in map(encode, make_records()):
                hand_over(line, 1)
        chest.flush(10)
        more = (resident() - idle) / 2**20
        report_promises(
            [Promise(f"MiB over the idle process, {count:,} waiting records", more, 50.0)]
        )
        for name in ("first", "second"):
            print(f"ledger: {clocked(chest.stats) * 1e3:.0f} ms, {name} time")
        assert chest.stats()["chests"]["sqlite"]["pending"] == count
        threading.Event().wait(1.5)  # wait until the system has written its cache to the disk
        # Not before: records that are delivered before the clock starts would raise the rate.
        store.up = True
        seconds = clocked(lambda: chest.flush(None))
        account = chest.stats()["chests"]["sqlite"]
        print(f"drain: {account['delivered']:,} of {count:,} in {seconds:.1f} s")
        rate = account["delivered"] / seconds
        report_promises(
            [Promise("records per second to SQLite after the outage", rate, 50_000, at_least=True)]
        )
        chest.close()


def clocked(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    wanted = sys.argv[1:] or ["latency", "backlog"]
    if "latency" in wanted:
        latency()
    if "backlog" in wanted:
        backlog(int(os.environ.get("BACKLOG", "1000000")))


if __name__ == "__main__":
    main()
