"""Requests per second while records are delivered to SQLite: ``python -m benchmarks.serving``.

Gunicorn serves the bare app, one with the thread exporter and one with an agent, each on its own
port. ``wrk`` calls them in turn, and each rate is compared with that of the bare app in the same
round. wrk and the agent use the other cores of the machine, if any. On a machine without spare
cores the CPU time of a request, delivery included, is more exact than the rate.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests import ROOT
from tests.servers.gunicorn import gunicorn
from tests.servers.programs import find_program
from tests.servers.web_server import WebServer

from .promises import Promise, load, report_promises

ROUNDS = int(os.environ.get("SERVING_ROUNDS", "9"))
SECONDS = 2
VARIANTS = ("bare", "thread", "agent")
#: Kinds of gunicorn workers -> threads; each has one process.
KINDS = {"sync": 1, "gthread": 4}
PROMISE = 0.88

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_DONE = re.compile(r"(\d+) requests in")
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_ERRORS = re.compile(r"Socket errors: .*|Non-2xx.*")


class Turn(NamedTuple):
    """Requests per second and latencies by ``wrk``, and the workers' CPU time per request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def main() -> None:
    """Measure both kinds of workers, and report the promise."""
    report_promises([_compare(kind, threads) for kind, threads in KINDS.items()])


def _compare(kind: str, threads: int) -> Promise:
    wrk = find_program("wrk", "wrk")
    turns: dict[str, list[Turn]] = {variant: [] for variant in VARIANTS}
    with ExitStack() as stack:
        servers = {variant: stack.enter_context(_served(variant, threads)) for variant in VARIANTS}
        for server in servers.values():
            _ask(wrk, server, threads)  # imports, tables
        for number in range(ROUNDS):
            for variant in VARIANTS if number % 2 else reversed(VARIANTS):
                turns[variant].append(_ask(wrk, servers[variant], threads))
    print(f"\ngunicorn, one {kind} worker ({ROUNDS} rounds of {SECONDS} s; {load()})")
    for variant, each in turns.items():
        rate, p50, p99, cpu = (median(turn[field] for turn in each) for field in range(4))
        shares = _shares(each, turns["bare"])
        told = f"{median(shares):.3f} ({min(shares):.2f}-{max(shares):.2f})"
        least = min(turn.cpu for turn in each)
        times = min(turn.cpu for turn in turns["bare"]) / least
        print(f"  {variant:8}{told:20} {rate:8,.0f} requests/s  p50 {p50:6.2f}  p99 {p99:6.2f} ms")
        print(
            f"  {'':8}by CPU, at least: {times:.3f}  {least:.0f} us per request (median {cpu:.0f})"
        )
    share = median(_shares(turns["thread"], turns["bare"]))
    return Promise(f"gunicorn, {kind}: requests/s relative to the bare app", share, PROMISE, True)


def _shares(turns: list[Turn], bare: list[Turn]) -> list[float]:
    return [one.rate / other.rate for one, other in zip(turns, bare, strict=True)]


@contextmanager
def _served(variant: str, threads: int) -> Iterator[WebServer]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chest-bench-")))
        env = {"VARIANT": variant, "INSTANCE": str(folder)}
        app = "benchmarks.served_app:create_app()"
        server = stack.enter_context(gunicorn(app, folder, threads=threads, env=env))
        if variant == "agent":
            stack.enter_context(_agent(env))
        yield server


@contextmanager
def _agent(env: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "flask", "--app", "benchmarks.served_app", "chest", "agent"]
    quiet = subprocess.DEVNULL
    environment = {**os.environ, **env}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _ask(wrk: str, server: WebServer, threads: int) -> Turn:
    options = ["--latency", "-t1", f"-c{threads * 2}", f"-d{SECONDS}s"]
    command = [wrk, *options, f"{server.url}/orders/7?full=1"]
    before = _cpu(server)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = _cpu(server) - before
    rate, errors = _RATE.search(said), _ERRORS.search(said)
    assert rate is not None, said
    assert errors is None, said
    latency = {which: float(n) * _UNITS[unit] for which, n, unit in _LATENCY.findall(said)}
    done = _DONE.search(said)
    assert done is not None, said
    return Turn(float(rate[1]), latency["50"], latency["99"], spent / int(done[1]) * 1e6)


def _cpu(server: WebServer) -> float:
    """Seconds of CPU that the workers have used."""
    ticks = 0
    for pid in server.worker_pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
