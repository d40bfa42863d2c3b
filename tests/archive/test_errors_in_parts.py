"""The class of an error and its fingerprint are in a part once, not in each record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

import duckdb

from flask_chest.archive.archive import Archive
from flask_chest.archive.storage import FolderStorage

from .examples import archive_records, make_records


def test_the_class_is_kept_once(tmp_path: Path) -> None:
    """Two thousand records with one error take a few hundred bytes for its class."""
    error, fingerprint = f"shop.{'very' * 50}.LongError", "ab" * 8
    records = make_records([{"error.fingerprint": fingerprint}] * 2000)
    archive = Archive(FolderStorage(tmp_path))
    archive_records(archive, [replace(record, error=error) for record in records])
    files = [str(path) for path in tmp_path.rglob("*.parquet")]
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select path_in_schema, sum(total_compressed_size), sum(num_values)"
            f" from parquet_metadata({files}) group by all"
        ).fetchall()
    sizes = {name: (size, count) for name, size, count in rows}
    assert sizes["error"][1] == 2000
    assert sizes["error"][0] < 2 * len(error)
    [column] = [name for name in sizes if "fingerprint" in name]
    assert sizes[column][0] < 300
