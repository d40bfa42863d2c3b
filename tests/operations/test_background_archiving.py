"""The hourly maintenance archives closed hours, in one process of a machine."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest.archive.archives import Archives
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.operations.background_retention import Maintenance
from flask_chest.query.query import Query

from ..archive.source_suite import sample, stored
from ..chests.sql.helpers import make_sqlite_chest

NOW = datetime.now(timezone.utc)
WHOLE = Query(since=NOW - timedelta(days=90), until=NOW + timedelta(days=90))


def archived(archives: Archives, chest: object) -> int:
    store = archives.of(chest)  # type: ignore[arg-type]
    assert store is not None
    return len(list(store.records(WHOLE)))


def test_closed_hours_are_archived_then_old_rows_deleted(tmp_path: Path) -> None:
    chest = make_sqlite_chest(tmp_path)
    archives = Archives(str(tmp_path / "archive"))
    archives.protect(chest)
    chest.write([*sample(20, 0, NOW - timedelta(days=30)), *sample(5, 100, NOW)])
    ahead = sample(3, 200, NOW + timedelta(days=1))  # of a machine whose clock was ahead
    chest.write(ahead)
    Maintenance([chest], 7 * 86400.0, archives).run(threading.Event())
    assert archived(archives, chest) == 20
    assert [record.id for record in stored(chest)] == [
        f"{number:032x}" for number in [*range(100, 105), *range(200, 203)]
    ]


def test_one_process_of_a_machine_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chest = make_sqlite_chest(tmp_path)
    archives = Archives(str(tmp_path / "archive"))
    chest.write(sample(20, 0, NOW - timedelta(days=30)))
    runs: list[int] = []
    maintain = StoreArchive.maintain

    def count_runs(store: StoreArchive, *arguments: object) -> bool:
        runs.append(1)
        return maintain(store, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(StoreArchive, "maintain", count_runs)
    for _ in range(2):  # two processes
        maintenance = Maintenance([chest], None, archives)
        maintenance.run(threading.Event())
        maintenance.run(threading.Event())
    assert len(runs) == 1
    assert archived(archives, chest) == 20


def test_a_place_without_rights_is_logged_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    chest = make_sqlite_chest(tmp_path)
    archives = Archives(str(tmp_path / "file" / "archive"))
    archives.protect(chest)
    chest.write(sample(20, 0, NOW - timedelta(days=30)))
    Maintenance([chest], 7 * 86400.0, archives).run(threading.Event())
    assert "maintenance is postponed: the archive" in caplog.text
    assert "CHEST_ARCHIVE" in caplog.text
    assert len(stored(chest)) == 20
