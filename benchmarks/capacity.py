"""Measures the rates of one process and the size of a record, for ``benchmarks.simulate``."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from werkzeug.test import run_wsgi_app

from flask_chest import Chest, FlaskChest
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record
from tests.servers.clickhouse import ClickHouse
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import DURABLE, Redis

from . import apps
from .comparison import make_records

RECORDS = int(os.environ.get("SIMULATE_RECORDS", "60000"))
REQUESTS = 5_000


class Gate:
    """Wraps a chest, simulates an outage unless ``up``, and counts the records that it writes."""

    def __init__(self, store: Chest) -> None:
        self.up = True
        self.written = 0
        self.back_at = 0.0
        self._write = store.write
        store.write = self.write  # type: ignore[method-assign]

    def write(self, records: Sequence[Record]) -> None:
        """Write records unless the store is down."""
        if not self.up:
            self.back_at = 0.0
            raise DeliveryError("down")
        self._write(records)
        self.written += len(records)
        self.back_at = self.back_at or time.monotonic()


@dataclass(frozen=True)
class Figures:
    """The measured capacity of one store.

    :param rate: records per second that one process delivers.
    :param journal: bytes of a record in the journal.
    :param stored: bytes of a record in the store, with its indexes.
    """

    rate: float
    journal: float
    stored: float


def capture_cpu(folder: Path) -> float:
    """Seconds of CPU of a request with a minimal view: Flask and Flask-Chest together."""
    app = apps.disk(folder)
    for _ in range(500):
        run_wsgi_app(app, dict(apps.ENVIRON))
    begun = time.process_time()
    for _ in range(REQUESTS):
        run_wsgi_app(app, dict(apps.ENVIRON))
    taken = time.process_time() - begun
    app.extensions["chest"].close()
    return taken / REQUESTS


def measure(
    store: Chest, folder: Path, weigh: Callable[[], float], records: int = RECORDS
) -> Figures:
    """Let records wait in the journal, then measure their delivery.

    :param weigh: returns the current size of the store in bytes.
    """
    gate = Gate(store)
    chest, hand_over = make_app(store, folder)
    for line in make_lines(1):
        hand_over(line, 1)
    assert chest.flush(60)  # creates the tables
    gate.up = False
    empty = weigh()
    for line in make_lines(records // 1000):
        hand_over(line, 1)
    journal = sum(path.stat().st_size for path in folder.glob("chest-journal/*/*.segment"))
    gate.up = True
    begun = time.perf_counter()
    assert chest.flush(None)
    rate = records / (time.perf_counter() - begun)
    chest.close()
    return Figures(rate, journal / records, (weigh() - empty) / records)


def sqlite(folder: Path) -> Figures:
    database = folder / "chest.db"
    return report("SQLite", measure(FlaskChestSQLite(), folder, lambda: database.stat().st_size))


def postgresql(folder: Path) -> Figures:
    import psycopg

    with PostgreSQL() as server:

        def weigh() -> float:
            with psycopg.connect(server.url) as connection:
                asked = connection.execute("SELECT pg_total_relation_size('chest_records')")
                found: Any = asked.fetchone()
                return float(found[0])

        return report("PostgreSQL", measure(FlaskChestPostgreSQL(server.url), folder, weigh))


def mariadb(folder: Path) -> Figures:
    with MariaDB() as server:

        def weigh() -> float:
            files = (server.folder / "data" / "chest").glob("chest_records.ibd")
            return float(sum(file.stat().st_size for file in files))

        return report("MariaDB", measure(FlaskChestMySQL(server.url), folder, weigh))


def clickhouse(folder: Path) -> Figures:
    with ClickHouse() as server:

        def weigh() -> float:
            parts = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active"
            return float(server.ask(f"{parts} AND table = 'chest_records'")[0][0])

        return report("ClickHouse", measure(FlaskChestClickHouse(server.url), folder, weigh))


def redis(folder: Path) -> Figures:
    from redis import Redis as Client

    with Redis(*DURABLE) as server, Client(port=server.port) as client:

        def weigh() -> float:
            return float(client.info("memory")["used_memory_dataset"])

        return report("Redis", measure(FlaskChestRedis(server.url), folder, weigh))


def make_app(store: Chest, folder: Path) -> tuple[FlaskChest, Callable[[bytes, int], None]]:
    app = apps.bare(folder)
    app.config.update(CHEST_CHESTS=[store], CHEST_BUFFER_MAX_BYTES=4 * 2**30)
    chest = FlaskChest(app)
    return chest, chest.of(app).delivery.hand_over


def make_lines(batches: int) -> Iterator[bytes]:
    """Make batches with values as different as those of an app, since stores compress."""
    chance = random.Random(1)
    for _ in range(batches):
        for record in make_records():
            variables = {
                **record.vars,
                "user_id": chance.randrange(50_000),
                "total": round(chance.lognormvariate(3, 1), 2),
                "tenant": chance.choice(("acme", "globex", "initech", "umbrella")),
            }
            varied = replace(
                record,
                request_id=f"{chance.getrandbits(128):032x}",
                duration_ms=round(chance.lognormvariate(1, 1), 3),
                vars=variables,
            )
            yield encode(varied)


def report(name: str, figures: Figures, where: str = "in the store") -> Figures:
    """Print figures and return them.

    :param where: where a record has the stored size.
    """
    print(
        f"  {name:12}{figures.rate:8,.0f} records a second from one process; "
        f"{figures.journal:.0f} bytes a record in the journal, {figures.stored:.0f} {where}"
    )
    return figures
