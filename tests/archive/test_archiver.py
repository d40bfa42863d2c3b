"""The closed hours of a store become parts."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest import Record
from flask_chest.archive import archiver
from flask_chest.archive.archive import Archive
from flask_chest.archive.storage import FolderStorage

from ..chests.sql.helpers import make_sqlite_chest, query_file
from .source_suite import (
    HOUR,
    START,
    archived,
    check_archive,
    run_archiver,
    same,
    sample,
    stored,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FolderStorage(tmp_path / "archive"))


def test_sqlite(tmp_path: Path) -> None:
    check_archive(make_sqlite_chest(tmp_path), tmp_path)


def test_an_hour_of_many_records_has_several_parts(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_chest.chests.sql.archive.source._PAGE", 100)
    monkeypatch.setattr(archiver, "MAX_PART", 250)
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(1000))
    assert run_archiver(archive, chest) == 1000
    assert [part.records for part in archive.snapshot().parts] == [300, 300, 300, 100]
    assert same(archived(archive), stored(chest))


def test_an_interrupted_run_goes_on(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_chest.chests.sql.archive.source._PAGE", 100)
    monkeypatch.setattr(archiver, "MAX_PART", 100)
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(500))
    source = chest.archive_source()
    stop = threading.Event()
    run = archiver.Archiver(archive, source, stop).run(HOUR + 3600)
    source.acquire_lease()
    assert next(run) == 100
    stop.set()
    assert sum(run) <= 100
    source.release_lease()
    source.close()
    run_archiver(archive, chest)
    assert same(archived(archive), stored(chest))


def test_another_process_that_archives_meanwhile(archive: Archive, tmp_path: Path) -> None:
    """A process that lost the lease, e.g. since it was suspended, writes nothing twice."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(50))
    source = chest.archive_source()
    add = archive.add

    def add_late(*arguments: object, **options: object) -> object:
        archive.add = add  # type: ignore[method-assign]
        assert run_archiver(Archive(archive.storage), chest) == 50
        return add(*arguments, **options)  # type: ignore[arg-type]

    archive.add = add_late  # type: ignore[method-assign,assignment]
    source.acquire_lease()
    source.release_lease()
    assert sum(archiver.Archiver(archive, source, threading.Event()).run(HOUR + 3600)) == 0
    source.close()
    assert same(archived(archive), stored(chest))


def test_doubles_of_sqlite_are_exact(archive: Archive, tmp_path: Path) -> None:
    chest = make_sqlite_chest(tmp_path)
    chance = random.Random(1)
    numbers = [chance.random() * 10.0 ** chance.randrange(-3, 10) for _ in range(3000)]
    chest.write(
        [
            Record(id=f"{index:032x}", time=START, duration_ms=number, sample_rate=1 / (1 + number))
            for index, number in enumerate(numbers)
        ]
    )
    run_archiver(archive, chest)
    assert same(archived(archive), stored(chest))


def test_a_store_without_an_archive_notes_no_late_hours(tmp_path: Path) -> None:
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(3))
    found = query_file(chest.file(), "SELECT 1 FROM chest_upkeep WHERE table_name LIKE '%late:%'")
    assert found == []
