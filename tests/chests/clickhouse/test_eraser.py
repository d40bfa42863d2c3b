"""Tests the eraser of ClickHouse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse

from ...query.records import END, sample_records
from .conftest import rows_of

pytestmark = pytest.mark.server


def test_erase_and_prune(chest: FlaskChestClickHouse) -> None:
    """Deleted rows disappear at once, also duplicates, and soon from the files too."""
    eraser = chest.eraser()
    assert eraser is not None
    assert list(eraser.prune(END)) == []
    assert eraser.erase(["1"]) == 0
    records = sample_records(600)
    chest.write(records)
    chest.write(records[:50])
    assert eraser.erase([record.id for record in records[:10]]) == 10
    assert eraser.erase([]) == 0
    assert list(eraser.prune(END - timedelta(hours=5))) == [300]
    assert rows_of(chest, f"SELECT count() FROM {chest.table} FINAL") == [(290,)]
    eraser.close()
    waiting = f"SELECT command FROM system.mutations WHERE table = '{chest.table}' AND NOT is_done"
    while rows_of(chest, waiting):  # each query takes its time; the engine has no event to wait for
        pass
    parts = f"SELECT sum(rows) FROM system.parts WHERE active AND table = '{chest.table}'"
    assert rows_of(chest, parts) == rows_of(chest, f"SELECT count() FROM {chest.table}")


def test_erased_records_can_be_imported(chest: FlaskChestClickHouse) -> None:
    """After its records were erased, another chest's batch of them is not taken for a retry."""
    records = sample_records(10)
    chest.write(records)
    eraser = chest.eraser()
    assert eraser is not None
    assert eraser.erase([record.id for record in records]) == 10
    eraser.close()
    other = FlaskChestClickHouse(chest.url, table=chest.table)
    other.write(records)
    other.close()
    assert rows_of(chest, f"SELECT count() FROM {chest.table} FINAL") == [(10,)]
