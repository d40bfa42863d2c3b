"""Deletion of records from an SQL store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flask_chest.errors import ReadError

from ...query.records import END, sample_records
from .helpers import make_sqlite_chest, query_file


def test_erase(tmp_path: Path) -> None:
    """Only records with the given ids are deleted, and the number of deleted ones is returned."""
    chest = make_sqlite_chest(tmp_path)
    records = sample_records(10)
    chest.write(records)
    eraser = chest.eraser()
    assert eraser.erase([records[0].id, records[1].id, "unknown"]) == 2
    assert eraser.erase([]) == 0
    eraser.close()
    ids = query_file(tmp_path / "chest.db", "SELECT id FROM chest_records")
    assert {identity for (identity,) in ids} == {record.id for record in records[2:]}
    chest.close()


def test_prune(tmp_path: Path) -> None:
    """Older records are deleted in batches of 500, the oldest first."""
    chest = make_sqlite_chest(tmp_path)
    records = sample_records(1200)
    chest.write(records)
    eraser = chest.eraser()
    assert list(eraser.prune(END - timedelta(hours=1))) == [500, 500, 80]
    eraser.close()
    left = query_file(tmp_path / "chest.db", "SELECT count(*) FROM chest_records")
    assert left == [(sum(record.time >= END - timedelta(hours=1) for record in records),)]
    chest.close()


def test_without_tables(tmp_path: Path) -> None:
    """There is nothing to prune before the first delivery."""
    eraser = make_sqlite_chest(tmp_path).eraser()
    assert list(eraser.prune(END)) == []
    eraser.close()


def test_damaged_file(tmp_path: Path) -> None:
    """An error names the chest and its file."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    eraser = make_sqlite_chest(tmp_path).eraser()
    with pytest.raises(ReadError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        list(eraser.prune(END))
    with pytest.raises(ReadError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        eraser.erase(["1"])
    eraser.close()
