"""What a year of 100 requests a second takes on disk, with retention and sums of hours.

``python -m benchmarks.year [--scale N]``. A year has three thousand million requests, so it is
simulated to scale, in SQLite. Records: one in ``--scale`` is written, day by day for a year, and
each day the hours are summed up and what is beyond the retention is pruned, with the code that an
app runs; what they take at the end is multiplied. Sums do not grow with the traffic as records do:
an hour of all its requests is written and summed up for real, and its rows are repeated for all
hours and days that are kept. All is measured in bytes of files.
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
from flask_chest.chests.sql.maintenance import prune
from flask_chest.chests.sql.rollups.job import HOURS_KEPT, RollupJob
from flask_chest.chests.sql.rollups.lease import Lease
from flask_chest.chests.sql.sqlite import FlaskChestSQLite
from flask_chest.query.intervals import DAY, HOUR
from flask_chest.record.encoding import Batch, encode
from flask_chest.record.record import Record

from .verdicts import Promise, tell

RATE = 100
RETENTION = 7
ROUTES = 50
DAYS = 365
BATCH = 5000
#: GiB: of all; of which sums.
LIMITS = 50, 1

_NEVER = threading.Event()


def main() -> None:
    """Measure both parts, and say what they add up to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, default=2000)
    scale = parser.parse_args().scale
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
        records, number = bytes_of_records(Path(folder, "records"), scale)
        sums, rows = bytes_of_sums(Path(folder, "sums"))
    kept = number * scale
    print(f"\nA year of {RATE} requests a second, {ROUTES} routes, {RETENTION} days of records")
    for what, size_, count in (("records", records * scale, kept), ("sums", sums, rows)):
        print(f"  {what:9}{size_ / 2**30:8.1f} GiB: {count:,} of {size_ / count:.0f} bytes")
    tell(
        [
            Promise("GiB that a year takes", (records * scale + sums) / 2**30, LIMITS[0]),
            Promise("of which GiB of sums", sums / 2**30, LIMITS[1]),
        ]
    )


def bytes_of_records(folder: Path, scale: int) -> tuple[int, int]:
    """What records take after a year of which all but the last days were pruned; their number.

    :param scale: of so many requests one is written.
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
    """What sums of the hours that are kept, and of the days of a year, take; their number."""
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
    """Write records, spread evenly over a time."""
    records = _records(begin, seconds, count, chance)
    for _ in range(0, count, BATCH):
        chest.write(Batch([encode(record) for record, _ in zip(records, range(BATCH))]))  # noqa: B905


def sum_up(chest: FlaskChestSQLite, until: datetime) -> None:
    """What upkeep does once an hour."""
    engine = chest.make_engine()
    lease, job = Lease(chest, engine), RollupJob(chest, engine)
    assert lease.acquire()
    job.run(lease, int(until.timestamp()), _NEVER)
    lease.release()
    job.close()
    engine.dispose()


def size(folder: Path) -> int:
    """Bytes of the database, its log included."""
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
