"""Exact answers over many records: ``python -m benchmarks.answers [records]``.

It fills an SQLite store with records of 30 days (1,000,000 by default), archives them, and asks the
archive each question. The answer is compared with plain Python over the same records. Beside its
CPU time stand those of hand-written SQL on the rows, and of hand-written SQL over one Parquet file
that has the same records in the order of time, which is the best that DuckDB can do.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask_chest import Record
from flask_chest.archive.archive import Archive
from flask_chest.archive.engine import connect
from flask_chest.archive.part_writer import PartWriter
from flask_chest.archive.reader import ArchiveReader
from flask_chest.archive.storage import FolderStorage
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode

DAYS, ROUTES, TENANTS, USERS = 30, 60, 200, 50_000
END = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
_BATCH = 10_000
_REPEATS = 3


@dataclass
class Fact:
    """What plain Python keeps of a record."""

    identity: str
    route: str
    status: int
    error: str | None
    duration: float
    user: int
    tenant: str
    total: float


def make_records(count: int) -> Any:
    """Yield the records, oldest first."""
    chance = random.Random(1)
    for number in range(count):
        moment = END - timedelta(seconds=DAYS * 86_400 * (1 - number / count))
        failed = chance.random() < 0.01
        milliseconds = int(moment.timestamp() * 1000)
        yield Record(
            id=f"{milliseconds:012x}7{chance.getrandbits(76):019x}",
            time=moment,
            request_id=f"{milliseconds:012x}7{chance.getrandbits(76):019x}",
            method="GET",
            route=f"/route/{min(int(chance.expovariate(0.08)), ROUTES - 1)}/<int:id>",
            endpoint="view",
            status=500 if failed else 200,
            error=chance.choice(("KeyError", "ValueError", "Timeout")) if failed else None,
            duration_ms=round(chance.lognormvariate(3, 1), 3),
            vars={
                "user_id": chance.randrange(USERS),
                "tenant": f"tenant-{int(chance.random() ** 2 * TENANTS)}",
                "total": round(chance.uniform(1, 500), 2),
                "plan": chance.choice(("free", "pro")),
                "cached": chance.random() < 0.5,
            },
            tags={"version": "1.4"},
        )


def fill(folder: Path, count: int) -> tuple[FlaskChestSQLite, Archive, list[Fact]]:
    """Write the records to a store, and archive them."""
    chest = FlaskChestSQLite(path=str(folder / "chest.db"))
    facts: list[Fact] = []
    lines: list[bytes] = []
    for record in make_records(count):
        values = record.vars
        facts.append(
            Fact(
                record.id,
                record.route,
                record.status,
                record.error,
                record.duration_ms,
                values["user_id"],
                values["tenant"],
                values["total"],
            )
        )
        lines.append(encode(record))
        if len(lines) == _BATCH or len(facts) == count:
            chest.write(Batch(lines))
            lines = []
    return chest, _archive(folder, chest), facts


def _archive(folder: Path, chest: FlaskChestSQLite) -> Archive:
    """Archive the records by the day, as they are after hours were merged."""
    archive = Archive(FolderStorage(folder / "archive"))
    source = chest.archive_source()
    assert source is not None
    began, archived, last = time.process_time(), 0, int(END.timestamp()) // 3600 * 3600
    for start in range(last - (DAYS + 1) * 86_400, last, 86_400):
        connection = archive.connect()
        writer = PartWriter(connection)
        for lines in source.lines(start, start + 86_400):
            writer.add(lines)
        if writer.count():
            archived += writer.count()
            with archive.storage.draft() as draft:
                part = draft, writer.finish(draft)
                archive.add(archive.snapshot(), start, start + 86_400, part)
        connection.close()
    spent = time.process_time() - began
    size = sum(part.bytes for part in archive.snapshot().parts)
    print(
        f"archive: {archived:,} records, {size / archived:.0f} bytes and "
        f"{spent / archived * 1e6:.1f} us of CPU a record",
        flush=True,
    )
    source.close()
    return archive


def nearest_rank(values: list[float], fraction: float) -> float:
    """The percentile of plain Python."""
    ordered = sorted(values)
    return ordered[max(0, -int(-fraction * len(ordered) // 1) - 1)]


@dataclass
class Question:
    """One question, and who answers it.

    :param name: what it asks.
    :param ask: asks the archive.
    :param truth: answers in plain Python, in the same form.
    :param sqlite: hand-written SQL on the rows.
    :param duckdb: hand-written SQL over one Parquet file, ``{0}``.
    """

    name: str
    ask: Callable[[ArchiveReader], Any]
    truth: Callable[[list[Fact]], Any]
    sqlite: str
    duckdb: str


WHOLE = Query(since=END - timedelta(days=DAYS + 1), until=END)


def _groups(reader: ArchiveReader, by: str, where: str = "", of: str = "duration_ms") -> Any:
    filters = [parse_filter(where)] if where else []
    query = Query(since=WHOLE.since, until=WHOLE.until, measure=parse_field(of))
    answer = reader.answer(query.filtered(*filters).grouped(parse_field(by)), 20)
    return [(group.key, group.summary.rows, *group.summary.percentiles) for group in answer.groups]


def _true_groups(
    facts: list[Fact], by: str, measure: str, keep: Callable[[Fact], bool] = bool
) -> Any:
    counts: Counter[Any] = Counter()
    values: dict[Any, list[float]] = {}
    for fact in facts:
        if keep(fact):
            key = getattr(fact, by)
            counts[key] += 1
            values.setdefault(key, []).append(getattr(fact, measure))
    order = sorted(counts, key=lambda key: (-counts[key], str(key)))[:20]
    return [
        (str(key), counts[key], *(nearest_rank(values[key], each) for each in (0.5, 0.95, 0.99)))
        for key in order
    ]


_PERCENTILES = "quantile_disc({0}, [0.5, 0.95, 0.99])"


def questions(facts: list[Fact]) -> list[Question]:
    """The questions that pages and commands ask."""
    user, some = facts[len(facts) // 2].user, facts[len(facts) // 3].identity
    return [
        Question(
            "by route, p50 p95 p99",
            lambda reader: _groups(reader, "route"),
            lambda facts: _true_groups(facts, "route", "duration"),
            "SELECT route, count(*), avg(duration_ms) FROM chest_records GROUP BY 1 "
            "ORDER BY 2 DESC LIMIT 20",
            f"SELECT route, count(*), {_PERCENTILES.format('duration_ms')} FROM {{0}} "
            "GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        Question(
            "status>=500 by error, p50 p95 p99",
            lambda reader: _groups(reader, "error", "status>=500"),
            lambda facts: _true_groups(facts, "error", "duration", lambda fact: fact.status >= 500),
            "SELECT error, count(*), avg(duration_ms) FROM chest_records WHERE status >= 500 "
            "GROUP BY 1 ORDER BY 2 DESC",
            f"SELECT error, count(*), {_PERCENTILES.format('duration_ms')} FROM {{0}} "
            "WHERE status >= 500 GROUP BY 1 ORDER BY 2 DESC",
        ),
        Question(
            "by tenant, of total, p50 p95 p99",
            lambda reader: _groups(reader, "tenant", of="total"),
            lambda facts: _true_groups(facts, "tenant", "total"),
            "SELECT json_extract(vars, '$.tenant'), count(*), sum(json_extract(vars, '$.total')) "
            "FROM chest_records GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
            f"SELECT vars_tenant_text, count(*), {_PERCENTILES.format('vars_total_num')} FROM "
            "{{0}} GROUP BY 1 ORDER BY 2 DESC LIMIT 20".replace("{{", "{").replace("}}", "}"),
        ),
        Question(
            "one tenant by route, p50 p95 p99",
            lambda reader: _groups(reader, "route", "tenant=tenant-77"),
            lambda facts: _true_groups(
                facts, "route", "duration", lambda fact: fact.tenant == "tenant-77"
            ),
            "SELECT route, count(*), avg(duration_ms) FROM chest_records "
            "WHERE json_extract(vars, '$.tenant') = 'tenant-77' GROUP BY 1 ORDER BY 2 DESC "
            "LIMIT 20",
            f"SELECT route, count(*), {_PERCENTILES.format('duration_ms')} FROM {{0}} "
            "WHERE vars_tenant_text = 'tenant-77' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        Question(
            "one user's requests, newest 50",
            lambda reader: [
                record.id for record in reader.page(WHOLE.filtered(parse_filter(f"user_id={user}")))
            ],
            lambda facts: [fact.identity for fact in facts[::-1] if fact.user == user][:50],
            "SELECT * FROM chest_records WHERE json_extract(vars, '$.user_id') = "
            f"{user} ORDER BY time DESC LIMIT 50",
            f"SELECT * FROM {{0}} WHERE vars_user_id_int = {user} ORDER BY time DESC LIMIT 50",
        ),
        Question(
            "one record by id",
            lambda reader: [record.id for record in reader.find(some)],
            lambda _: [some],
            f"SELECT * FROM chest_records WHERE id = '{some}'",
            f"SELECT * FROM {{0}} WHERE id = '{some}' OR request_id = '{some}'",
        ),
    ]


def cpu(work: Callable[[], object]) -> float:
    """The least CPU time of some repetitions, in milliseconds."""
    found = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return min(found)


def main() -> None:
    """Fill, archive, ask and compare."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="chest-bench-") as name:
        folder = Path(name)
        chest, archive, facts = fill(folder, count)
        source, store = chest.archive_source(), chest.reader()
        assert source is not None
        reader = ArchiveReader(archive, source, store)
        best = connect(folder / "temporary", threads=2, memory_limit=2**30)
        file = f"'{folder}/best.parquet'"
        select = archive.query(archive.snapshot().parts, "SELECT * FROM parts ORDER BY time, id")
        best.execute(f"COPY ({select}) TO {file} (FORMAT parquet, COMPRESSION zstd)")
        print(f"{'question':36} {'archive':>9} {'DuckDB':>9} {'ratio':>6} {'SQLite':>9}  exact")
        with closing(reader), closing(sqlite3.connect(folder / "chest.db")) as rows:
            for each in questions(facts):
                exact = each.ask(reader) == each.truth(facts)
                own = cpu(lambda each=each: each.ask(reader))  # type: ignore[misc]
                least = cpu(lambda each=each: best.execute(each.duckdb.format(file)).fetchall())  # type: ignore[misc]
                hand = cpu(lambda each=each: rows.execute(each.sqlite).fetchall())  # type: ignore[misc]
                print(
                    f"{each.name:36} {own:6.0f} ms {least:6.0f} ms {own / least:6.2f} "
                    f"{hand:6.0f} ms  {'yes' if exact else 'NO'}",
                    flush=True,
                )
        best.close()
        chest.close()


if __name__ == "__main__":
    main()
