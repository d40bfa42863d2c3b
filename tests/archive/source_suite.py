"""Checks that the archive of every readable store passes."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask_chest import Record
from flask_chest.archive.archive import Archive
from flask_chest.archive.archiver import Archiver
from flask_chest.archive.records import iter_records
from flask_chest.archive.storage import FolderStorage
from flask_chest.chests.base import Chest
from flask_chest.query.query import Query

START = datetime(2026, 11, 20, 5, tzinfo=timezone.utc)
HOUR = int(START.timestamp())
END = HOUR + 3 * 3600

_VARS: tuple[dict[str, Any], ...] = (
    {},
    {"user_id": 42, "total": 99.5, "plan": "pro", "ok": True},
    {"user_id": "42", "note": None, "items": [1, "x", {"a": []}]},
    {"user_id": 42.5, "A": 1, "a": 2},
    {"user_id": 2**53 + 1, 'a.b "c"': 'line\nbreak \\ " \u2028', "größe": "ü"},
    {"big": 2**64 - 1, "small": -(2**63), "long": "x" * 8192},
)


def sample(number: int, first: int = 0, since: datetime = START) -> list[Record]:
    """Records of half an hour, with every kind of value."""
    chance = random.Random(first)
    return [
        Record(
            id=f"{index:032x}",
            time=since + timedelta(milliseconds=number_of_ms(chance, index - first, number)),
            request_id=f"{index:032x}" if index % 3 else f"request-{index}",
            trace_id="f" * 32 if index % 5 == 0 else None,
            method="GET",
            route="/orders/<int:id>",
            endpoint="orders",
            blueprint=None if index % 2 else "shop",
            status=(200, 404, 500, None)[index % 4],
            duration_ms=chance.expovariate(1 / 30),
            error="KeyError" if index % 4 == 2 else None,
            sample_rate=(1.0, 0.1)[index % 2],
            vars=_VARS[index % len(_VARS)],
            tags={"service": "shop"} if index % 2 else {},
            bytes_sent=2**40 if index % 7 == 0 else None,
            disconnected=(None, True, False)[index % 3],
        )
        for index in range(first, first + number)
    ]


def number_of_ms(chance: random.Random, index: int, number: int) -> int:
    """The time of a record within half an hour; MongoDB keeps milliseconds."""
    return index * 1_800_000 // number + chance.randrange(1 + 900_000 // number)


def run_archiver(archive: Archive, chest: Chest, until: int = END) -> int:
    """Archive the closed hours of a store; return the number of records."""
    source = chest.archive_source()
    assert source is not None
    try:
        if source.store_id(create=True) is None:
            return 0  # nothing has been delivered yet
        assert source.acquire_lease()
        number = sum(Archiver(archive, source, threading.Event()).run(until))
        source.release_lease()
    finally:
        source.close()
    return number


def archived(archive: Archive) -> list[Record]:
    """All records of an archive, oldest first."""
    return list(iter_records(archive, archive.snapshot().parts))


def stored(chest: Chest) -> list[Record]:
    """All records of a store, oldest first."""
    reader = chest.reader()
    assert reader is not None
    try:
        whole = Query(since=START - timedelta(days=9000), until=START + timedelta(days=9000))
        return list(reader.iter_records(whole))
    finally:
        reader.close()


def same(some: Sequence[Record], others: Sequence[Record]) -> bool:
    """Whether records are the same, with the types of their values."""
    return [_text(each) for each in some] == [_text(each) for each in others]


def _text(record: Record) -> str:
    # Some stores give the names of an object back in another order.
    documents = sorted(record.vars.items()), sorted(record.tags.items())
    fields = [getattr(record, name) for name in Record.__slots__ if name not in {"vars", "tags"}]
    return repr([*documents, *fields])


def check_archive(chest: Chest, folder: Path) -> None:
    """The archive of a store: exact, with late records, once, by one process at a time."""
    archive = Archive(FolderStorage(folder / "archive"))
    source = chest.archive_source()
    other = chest.archive_source()
    assert source is not None
    assert other is not None
    try:
        assert source.store_id() is None
        assert source.late_hours() == {}
        assert run_archiver(archive, chest) == 0
        assert archive.snapshot().number == 0

        chest.write([*sample(300), *sample(10, 1000, START + timedelta(hours=2))])
        open_hour = sample(5, 2000, START + timedelta(hours=3))
        chest.write(open_hour)
        source.clear_late_hour(HOUR, 0)
        assert run_archiver(archive, chest) == 310
        assert same(archived(archive), stored(chest)[:-5])
        assert source.late_hours().keys() <= {END}
        assert run_archiver(archive, chest) == 0

        late = sample(7, 3000, START + timedelta(hours=1))
        earlier = sample(3, 4000, START - timedelta(days=400))
        chest.write([*late, *earlier])
        assert set(source.late_hours()) - {END} == {HOUR + 3600, HOUR - 400 * 86400}
        assert run_archiver(archive, chest) == 10
        assert source.late_hours().keys() <= {END}
        assert same(archived(archive), stored(chest)[:-5])

        ids = [each for some in source.ids(HOUR, HOUR + 3600) for each in some]
        assert sorted(ids) == [record.id for record in sample(300)]
        assert source.delete(ids) == 300
        assert source.count(HOUR, HOUR + 3600) == 0

        assert source.acquire_lease()
        assert not other.acquire_lease()
        assert source.renew_lease()
        source.release_lease()
        assert other.acquire_lease()
        other.release_lease()
    finally:
        source.close()
        other.close()
        chest.close()
