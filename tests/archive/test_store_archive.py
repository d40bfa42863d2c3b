"""The archive of a chest: kept up to date, pruned from, erased from, restored."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest import FlaskChestSQLite
from flask_chest.archive.archives import make_archives
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.errors import ConfigError, ReadError
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..chests.sql.helpers import make_sqlite_chest
from .source_suite import HOUR, START, archived, same, sample, stored

DAY = HOUR // 86400 * 86400
UNTIL = DAY + 3 * 86400
WHOLE = Query(since=START - timedelta(days=9000), until=START + timedelta(days=9000))


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    return make_sqlite_chest(tmp_path)


@pytest.fixture
def store(chest: FlaskChestSQLite, tmp_path: Path) -> StoreArchive:
    return StoreArchive(chest, str(tmp_path / "archive"))


def parts(store: StoreArchive) -> list[Path]:
    """The files of the valid parts."""
    archive = _archive(store)
    return [Path(archive.path(part)) for part in archive.snapshot().parts]


def _archive(store: StoreArchive):  # type: ignore[no-untyped-def]
    source = store.chest.archive_source()
    assert source is not None
    archive = store.find(source)
    source.close()
    assert archive is not None
    return archive


def test_the_hours_of_a_day_become_one_part(chest: FlaskChestSQLite, store: StoreArchive) -> None:
    records = [
        record
        for hour in range(4)
        for record in sample(20, 100 * hour, START + timedelta(hours=hour))
    ]
    chest.write(records)
    assert store.maintain(UNTIL, None, threading.Event())
    (part,) = _archive(store).snapshot().parts
    assert (part.start, part.end, part.records) == (DAY, DAY + 86400, 80)
    assert same(archived(_archive(store)), stored(chest))
    late = sample(2, 1000, START + timedelta(hours=1))
    chest.write(late)
    assert store.maintain(UNTIL, None, threading.Event())
    assert [part.records for part in _archive(store).snapshot().parts] == [80, 2]
    assert same(archived(_archive(store)), stored(chest))


def test_prune_deletes_only_what_the_archive_has(
    chest: FlaskChestSQLite, store: StoreArchive, tmp_path: Path
) -> None:
    chest.write(sample(50))
    chest.archived_ids = store.archived_ids
    before = START + timedelta(hours=1)
    expected = stored(chest)
    assert sum(chest.prune(before, threading.Event())) == 50
    assert stored(chest) == []
    assert same(archived(_archive(store)), expected)

    chest.write(sample(5, 100))
    assert store.maintain(UNTIL, None, threading.Event())
    assert len(archived(_archive(store))) == 55
    # As after a deletion in part: what the archive does not have stays.
    chest.archived_ids = lambda hour: {f"{index:032x}" for index in range(100, 103)}
    assert sum(chest.prune(before, threading.Event())) == 3
    assert len(stored(chest)) == 2


def test_nothing_is_pruned_if_the_archive_cannot_be_written(
    chest: FlaskChestSQLite, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    chest.write(sample(5))
    chest.archived_ids = StoreArchive(chest, str(tmp_path / "file" / "archive")).archived_ids
    with pytest.raises(ReadError, match="CHEST_ARCHIVE"):
        sum(chest.prune(START + timedelta(hours=1), threading.Event()))
    assert len(stored(chest)) == 5


@pytest.mark.parametrize(
    "condition",
    [
        "user_id=42",
        "request_id=request-3",
        "status=404",
        "user_id=9007199254740993",
    ],
)
def test_erasing_rewrites_the_parts_that_hold_the_person(
    chest: FlaskChestSQLite, store: StoreArchive, condition: str
) -> None:
    chest.write(sample(30))
    chest.write(sample(1, 102, START + timedelta(hours=1)))  # without variables
    assert store.maintain(HOUR + 2 * 3600, None, threading.Event())
    first, second = parts(store)
    query = Query(since=WHOLE.since, until=WHOLE.until, where=(parse_filter(condition),))
    person = [record.id for record in store.records(query)]
    assert person
    assert list(store.erase(query)) == [len(person)]
    rewritten = parts(store)
    assert second in rewritten
    assert first not in rewritten
    assert not first.exists()
    expected = [record for record in stored(chest) if record.id not in person]
    assert same(archived(_archive(store)), expected)
    assert list(store.records(query)) == []
    assert list(store.erase(query)) == []


def test_erasing_all_records_of_a_part_removes_it(
    chest: FlaskChestSQLite, store: StoreArchive, tmp_path: Path
) -> None:
    chest.write(sample(6))
    assert store.maintain(UNTIL, None, threading.Event())
    assert sum(store.erase(WHOLE)) == 6
    assert parts(store) == []
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_part_is_written_again(
    chest: FlaskChestSQLite, store: StoreArchive, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    chest.write(sample(50))
    assert store.maintain(UNTIL, None, threading.Event())
    (file,) = parts(store)
    content = file.read_bytes()
    file.unlink()
    if damage == "truncated":
        file.write_bytes(content[:-100])
    elif damage == "changed":
        file.write_bytes(content[:-1] + b"?")
    with caplog.at_level(logging.WARNING):
        if damage == "changed":  # same size: only the thorough check of the command finds it
            assert sum(store.archive(UNTIL, threading.Event())) == 50
        else:
            assert store.maintain(UNTIL, None, threading.Event())
    assert f"{file.name}: the file is" in caplog.text
    assert same(archived(_archive(store)), stored(chest))
    assert parts(store) != [file]


def test_a_damaged_part_without_rows_is_named_and_kept(
    chest: FlaskChestSQLite, store: StoreArchive, caplog: pytest.LogCaptureFixture
) -> None:
    chest.write(sample(50))
    chest.archived_ids = store.archived_ids
    assert sum(chest.prune(START + timedelta(hours=1), threading.Event())) == 50
    (file,) = parts(store)
    file.write_bytes(file.read_bytes()[:-100])
    assert store.maintain(UNTIL, None, threading.Event())
    assert "restore the file from a backup" in caplog.text
    assert parts(store) == [file]


def test_retention_of_the_archive(chest: FlaskChestSQLite, store: StoreArchive) -> None:
    now = datetime.now(timezone.utc)
    chest.write([*sample(5, 0, now - timedelta(days=400)), *sample(5, 10, now - timedelta(days=2))])
    until = int(now.timestamp()) // 3600 * 3600
    assert store.maintain(until, 365 * 86400, threading.Event())
    assert len(archived(_archive(store))) == 5


def test_only_one_process_writes(chest: FlaskChestSQLite, store: StoreArchive) -> None:
    chest.write(sample(5))
    source = chest.archive_source()
    assert source.acquire_lease()
    assert not store.maintain(UNTIL, None, threading.Event())
    source.release_lease()
    source.close()
    assert store.maintain(UNTIL, None, threading.Event())


def test_settings(tmp_path: Path) -> None:
    assert make_archives(None, tmp_path, None, None).place == str(tmp_path / "chest-archive")
    assert make_archives("/data", tmp_path, None, None).place == "/data"
    assert make_archives(False, tmp_path, None, None).place is None
    with pytest.raises(ConfigError, match=r"CHEST_ARCHIVE_RETENTION.*forever"):
        make_archives(None, tmp_path, 86400, None)
    with pytest.raises(ConfigError, match=r"shorter than CHEST_RETENTION \(172800 seconds\)"):
        make_archives(None, tmp_path, 86400, 172800)
