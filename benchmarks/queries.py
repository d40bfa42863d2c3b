"""Cost of a query at the record density of the plans in ``docs/scale.rst``.

``python -m benchmarks.queries [sqlite postgresql clickhouse]``. Each store generates as many
records per second as one server of its plan has, for as many hours as fit on this machine. For
ClickHouse that is one shard, since the shards of a cluster answer in parallel. Then all pages and
commands query the whole time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_chest.app.state import get_state
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.client import connect
from flask_chest.chests.sql.sql_chest import SQLChest
from flask_chest.chests.url import StoreURL
from tests.servers.clickhouse import ClickHouse
from tests.servers.daemon import Daemon
from tests.servers.postgresql import PostgreSQL

from .promises import load
from .reading import ask, invoke, log_in, make_app

PAGES = (
    "/?since=RANGE",
    "/?since=RANGE&where=tenant%3Dacme",
    "/variable?since=RANGE&name=total",
    "/requests?since=RANGE&where=status%3E%3D500",
)
COMMANDS = ("stats --since RANGE --by tenant", "tail --no-follow -n 20", "show r500")
_COLUMNS = (
    "id, time, kind, request_id, method, route, endpoint, status, duration_ms, sample_rate, "
    "vars, tags"
)
_ROUTE = "'/api/v1/resource' || n.i % 20 || '/<int:id>'"
# For each store: the columns of record n.i, whose time is n.i / :rate seconds after :begin.
_SQLITE = f"""
INSERT INTO chest_records ({_COLUMNS})
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last)
SELECT printf('%012x7%019x', CAST((:begin + n.i / :rate) * 1000 AS INTEGER), n.i),
    strftime('%Y-%m-%d %H:%M:%f000', :begin + n.i / :rate, 'unixepoch'), 'request', 'r' || n.i,
    'GET', {_ROUTE}, 'resource', iif(n.i % 97, 200, 500), abs(random() % 100000) / 1000.0, 1,
    json_object('tenant', substr('acmeinithoolumbr', 1 + abs(random() % 4) * 4, 4),
        'user_id', abs(random() % 100000), 'total', abs(random() % 20000) / 100.0, 'plan', 'pro',
        'cached', json('true')),
    '{{"version":"1.0"}}'
FROM n
"""
_POSTGRESQL = f"""
INSERT INTO chest_records ({_COLUMNS})
SELECT lpad(to_hex(((:begin + n.i / :rate) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(n.i), 19, '0'),
    to_timestamp(:begin + n.i / :rate), 'request', 'r' || n.i, 'GET', {_ROUTE}, 'resource',
    CASE WHEN n.i % 97 = 0 THEN 500 ELSE 200 END, random() * 100, 1,
    jsonb_build_object('tenant', substr('acmeinithoolumbr', 1 + (random() * 3)::int * 4, 4),
        'user_id', (random() * 100000)::int, 'total', round((random() * 200)::numeric, 2),
        'plan', 'pro', 'cached', true),
    '{{"version": "1.0"}}'
FROM generate_series(CAST(:first AS bigint), :last - 1) AS n(i)
"""
_CLICKHOUSE = f"""
INSERT INTO chest_records ({_COLUMNS})
SELECT lower(hex(toUInt64(({{begin}} + number / {{rate}}) * 1000)))
        || '7' || leftPad(lower(hex(number)), 19, '0'),
    fromUnixTimestamp64Micro(toInt64(({{begin}} + number / {{rate}}) * 1000000), 'UTC'), 'request',
    'r' || toString(number), 'GET', '/api/v1/resource' || toString(number % 20) || '/<int:id>',
    'resource', if(number % 97 = 0, 500, 200), rand(1) % 100000 / 1000, 1,
    '{{{{"tenant":"' || substring('acmeinithoolumbr', 1 + rand(2) % 4 * 4, 4) || '","user_id":'
        || toString(rand(3) % 100000) || ',"total":' || toString(rand(4) % 20000 / 100)
        || ',"plan":"pro","cached":true}}}}',
    '{{{{"version":"1.0"}}}}'
FROM numbers({{first}}, {{last}} - {{first}})
"""


@dataclass(frozen=True)
class Density:
    """The records of one server of a plan.

    :param rate: records per second.
    :param hours: length of the time that is filled and queried.
    """

    rate: float
    hours: float

    @property
    def records(self) -> int:
        """The number of records."""
        return round(self.rate * self.hours * 3600)

    def fill(self, insert: Callable[[dict[str, Any]], object], chunk: int) -> None:
        """Generate records in the store.

        :param insert: a statement with the parameters ``first``, ``last``, ``begin`` and ``rate``.
        :param chunk: records per statement, limited by the timeout of the connection.
        """
        begin = datetime.now(timezone.utc) - timedelta(hours=self.hours)
        values = {"begin": begin.timestamp(), "rate": self.rate}
        for first in range(0, self.records, chunk):
            insert({**values, "first": first, "last": min(first + chunk, self.records)})


PLANS = {
    "sqlite": Density(10, 24),
    "postgresql": Density(1_000, 1),
    "clickhouse": Density(100_000 / 16, 1),
}


def sqlite(folder: Path) -> None:
    run(folder, "sqlite:///chest.db", PLANS["sqlite"], None)


def postgresql(folder: Path) -> None:
    with PostgreSQL() as server:
        run(folder, server.url, PLANS["postgresql"], server)


def clickhouse(folder: Path) -> None:
    with ClickHouse() as server:
        run(folder, server.url, PLANS["clickhouse"], server)


def run(folder: Path, url: str, density: Density, server: Daemon | None) -> None:
    """Fill and query one store."""
    # A long timeout, so that a busy machine still gets a result.
    app = make_app(folder, url, CHEST_EXPORT_TIMEOUT=120)
    state = get_state(app)
    [chest] = state.chests
    begun = time.perf_counter()
    if isinstance(chest, FlaskChestClickHouse):
        fill_clickhouse(chest, density)
    else:
        assert isinstance(chest, SQLChest)
        fill_sql(chest, density)
    told = f"{density.records:,} records, {density.rate:,.0f} a second for {density.hours:g} h"
    print(f"\n{chest.scheme}: {told}; generated in {time.perf_counter() - begun:.0f} s ({load()})")
    ask_all(app, f"{density.hours * 60:.0f} minutes", server)
    state.delivery.close()
    chest.close()


def ask_all(app: Flask, words: str, server: Daemon | None) -> None:
    """Run all queries, and print their times.

    :param words: the time range.
    :param server: URL of the server whose CPU time is counted, too.
    """
    client = log_in(app)
    for page in PAGES:
        path = "/chest" + page.replace("RANGE", words.replace(" ", "+"))
        measure(page, partial(ask, client, path), server)
    for command in COMMANDS:
        given = [words if each == "RANGE" else each for each in command.split()]
        measure(command, partial(invoke, app, given), server)


def measure(what: str, run_it: Callable[[], object], server: Daemon | None) -> None:
    """Print the first time, and the median of three more."""
    run_it()
    seconds, cpu = [], []
    for _ in range(3):
        begun, used = time.perf_counter(), _cpu(server)
        run_it()
        seconds.append(time.perf_counter() - begun)
        cpu.append(_cpu(server) - used)
    times = f"{median(seconds) * 1000:>8.0f} ms{median(cpu) * 1000:>8.0f} ms CPU, both sides"
    print(f"    {what:<44}{times}", flush=True)


def _cpu(server: Daemon | None) -> float:
    return time.process_time() + (server.cpu if server else 0.0)


def fill_sql(chest: SQLChest, density: Density) -> None:
    statement = sa.text(_SQLITE if chest.scheme == "sqlite" else _POSTGRESQL)
    engine = chest.engine()

    def insert(values: dict[str, Any]) -> None:
        with engine.begin() as connection:
            connection.execute(statement, values)

    density.fill(insert, 50_000)
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE chest_records"))  # as autovacuum does later


def fill_clickhouse(chest: FlaskChestClickHouse, density: Density) -> None:
    chest.write([])
    chest._client()
    connection = connect(StoreURL.parse(chest.url), 600, {})
    density.fill(lambda values: connection.client.command(_CLICKHOUSE.format(**values)), 500_000)
    connection.close()


def main() -> None:
    for name in sys.argv[1:] or PLANS:
        try:
            with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
                {"sqlite": sqlite, "postgresql": postgresql, "clickhouse": clickhouse}[name](
                    Path(folder)
                )
        except pytest.skip.Exception as reason:  # the server is not installed
            print(f"\nleft out: {name}: {reason}")


if __name__ == "__main__":
    main()
