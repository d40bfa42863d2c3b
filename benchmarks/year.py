"""Disk space of a year of 100 requests per second, with retention and roll-ups.

``python -m benchmarks.year [--scale N]``. A year has three billion requests, so the benchmark
simulates it to scale in SQLite. It writes one of ``--scale`` records, day by day for a year. Each
day the code of an app rolls up the hours and deletes records beyond the retention. The size of the
records at the end is multiplied. Roll-ups do not grow with the traffic as records do. So one full
hour is written and rolled up, and its rows are repeated for all hours and days that are kept. All
sizes are bytes of files.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flask_chest.chests.base import AppInfo
from flask_chest.chests.sql.rollup_and_pruning import prune
from flask_chest.chests.sql.rollups.maintenance_lease import Lease
from flask_chest.chests.sql.rollups.rollup_job import HOURS_KEPT, RollupJob
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.query.time_intervals import DAY, HOUR
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record

from .promises import Promise, report_promises

RATE = 100
RETENTION = 7
ROUTES = 50
DAYS = 365
BATCH = 5000
#: GiB in total, and of roll-ups.
LIMITS = 50, 1

_NEVER = threading.Event()


def main() -> None:
    """Measure records and roll-ups, and report their sum."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, default=2000)
    scale = parser.parse_args().scale
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
        records, number = bytes_of_records(Path(folder, "records"), scale)
        sums, rows = bytes_of_sums(Path(folder, "sums"))
    kept = number * scale
    print(f"\nA year of {RATE} requests per second, {ROUTES} routes, {RETENTION} days of records")
    for what, size_, count in (("records", records * scale, kept), ("sums", sums, rows)):
        print(f"  {what:9}{size_ / 2**30:8.1f} GiB: {count:,} of {size_ / count:.0f} bytes")
    report_promises(
        [
            Promise("GiB of a year", (records * scale + sums) / 2**30, LIMITS[0]),
            Promise("GiB of its roll-ups", sums / 2**30, LIMITS[1]),
        ]
    )


def bytes_of_records(folder: Path, scale: int) -> tuple[int, int]:
    """Bytes and number of the records after a year with retention.

    :param scale: one of so many requests is written.
    """
    chest = make_chest(folder)
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    a_day = RATE * DAY // scale
    chance = random.Random(1)
    for day in range(DAYS, 0, -1):
        begin = now - timedelta(days=day)
        write(chest, begin, DAY, a_day, chance)
        sum_up(chest, begin + timedelta(days=1))
        for _ in prune(chest, begin + timedelta(days=1 - RETENTION), _NEVER):
            pass
        if day % 91 == 1:
            print(f"  day {DAYS - day + 1}: {size(folder) / 2**20:.0f} MiB", flush=True)
    chest.close()
    whole = size(folder)
    with closing(sqlite3.connect(folder / "chest.db")) as connection:
        [(number,)] = connection.execute("SELECT count(*) FROM chest_records")
        connection.execute("DELETE FROM chest_records")
        connection.commit()
        connection.execute("VACUUM")
    return whole - size(folder), number


def bytes_of_sums(folder: Path) -> tuple[int, int]:
    """Bytes and number of the roll-ups of the kept hours and of the days of a year."""
    chest = make_chest(folder)
    hour = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    write(chest, hour - timedelta(hours=1), HOUR, RATE * HOUR, random.Random(1))
    sum_up(chest, hour)
    chest.close()
    columns = "is_request, route, row_count, weight, errors, duration, numbers"
    repeat = f"""
        INSERT INTO chest_records_rollups (id, step, start, {columns})
        WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)
        SELECT step || '-' || (start - n * step) || substr(id, -33), step, start - n * step,
            {columns}
        FROM chest_records_rollups, counted WHERE step = ?
    """
    with closing(sqlite3.connect(folder / "chest.db")) as connection:
        for step, number in ((HOUR, HOURS_KEPT // HOUR), (DAY, DAYS)):
            connection.execute(repeat, (number - 1, step))
        connection.execute("DELETE FROM chest_records")
        connection.commit()
        connection.execute("VACUUM")
        [(rows,)] = connection.execute("SELECT count(*) FROM chest_records_rollups")
    return size(folder), rows


def make_chest(folder: Path) -> FlaskChestSQLite:
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=folder, timeout=60))
    return chest


def write(
    chest: FlaskChestSQLite, begin: datetime, seconds: int, count: int, chance: random.Random
) -> None:
    """Write records, distributed evenly over a time."""
    records = _records(begin, seconds, count, chance)
    for _ in range(0, count, BATCH):
        chest.write(Batch([encode(record) for record, _ in zip(records, range(BATCH))]))  # noqa: B905


def sum_up(chest: FlaskChestSQLite, until: datetime) -> None:
    """Run the hourly maintenance."""
    engine = chest.make_engine()
    lease, job = Lease(chest, engine), RollupJob(chest, engine)
    assert lease.acquire()
    job.run(lease, int(until.timestamp()), _NEVER)
    lease.release()
    job.close()
    engine.dispose()


def size(folder: Path) -> int:
    """Bytes of the database, including its log."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _records(begin: datetime, seconds: int, count: int, chance: random.Random) -> Iterator[Record]:
    for number in range(count):
        time = begin + timedelta(seconds=seconds * number / count)
        route = f"/api/v1/resource{chance.randrange(ROUTES)}/<int:id>"
        identity = f"{int(time.timestamp() * 1000):012x}7{chance.getrandbits(76):019x}"
        yield Record(
            id=identity,
            time=time,
            request_id=identity,
            method="GET",
            route=route,
            endpoint="api.resource",
            blueprint="api",
            status=500 if number % 97 == 0 else 200,
            duration_ms=chance.lognormvariate(3, 0.7),
            vars={
                "user_id": chance.randrange(100_000),
                "tenant": chance.choice(("acme", "umbrella", "initech", "globex", "hooli")),
                "total": round(chance.expovariate(1 / 60), 2),
                "items": chance.randrange(9),
                "cached": number % 2 == 0,
            },
            tags={"service": "shop", "version": "1.0"},
        )


if __name__ == "__main__":
    main()
