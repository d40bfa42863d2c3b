"""Creation and upgrade of tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_chest.chests.sql import table_creation_and_upgrade, table_names
from flask_chest.errors import DeliveryError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.testing import make_records

from .helpers import create_file, make_sqlite_chest, open_reader, query_file
from .rollups.suite import DAYS, days_of_records, long_query, maintain, now
from .schema_versions import SQLITE_1


def test_view(tmp_path: Path) -> None:
    """The view has one row for each variable, with booleans as text."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    chest.close()
    rows = query_file(tmp_path / "chest.db", "SELECT name, value FROM chest_vars ORDER BY name")
    assert rows == [("flag", "true"), ("number", 0), ("share", 0.5), ("text", "ä, \"b\" 'c'\n")]


def test_table_with_other_columns(tmp_path: Path) -> None:
    """A table of another application is not changed, and the error has a remedy."""
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        connection.execute("CREATE TABLE chest_records (id int)")
    with pytest.raises(DeliveryError, match="give this chest another 'table'"):
        make_sqlite_chest(tmp_path).write(make_records(1))
    chest = make_sqlite_chest(tmp_path, table="other_records")
    chest.write(make_records(1))
    chest.close()


def test_version_1(tmp_path: Path) -> None:
    """A database of version 1 keeps its records and accepts new ones."""
    file = tmp_path / "chest.db"
    create_file(file, SQLITE_1)
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(2))
    chest.close()
    assert query_file(file, "SELECT count(*) FROM chest_records") == [(3,)]


def test_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All upgrades run once, in order, and keep the records."""
    file = tmp_path / "chest.db"
    create_file(file, SQLITE_1)
    steps = []

    def add_column(connection: sa.Connection, table: str) -> None:
        steps.append(table)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN added_{len(steps)} TEXT")

    for module in (table_names, table_creation_and_upgrade):
        monkeypatch.setattr(module, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(table_creation_and_upgrade, "UPGRADES", {2: add_column, 3: add_column})
    for _ in range(2):
        chest = make_sqlite_chest(tmp_path)
        chest.engine()
        chest.close()
    assert steps == ["chest_records", "chest_records"]
    assert query_file(file, "SELECT version FROM chest_schema") == [(3,)]
    assert query_file(file, "SELECT id, added_1, added_2 FROM chest_records") == [("0", None, None)]


def test_later_version(tmp_path: Path) -> None:
    """A database of a later version accepts records; unknown columns stay NULL."""
    file = tmp_path / "chest.db"
    create_file(file, SQLITE_1)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE chest_records ADD COLUMN later TEXT")
        connection.execute("UPDATE chest_schema SET version = 9")
        connection.commit()
    chest = make_sqlite_chest(tmp_path)
    chest.write(Batch([encode(record) for record in make_records(2)]))
    chest.close()
    assert query_file(file, "SELECT count(*) FROM chest_records") == [(3,)]


def test_upgrade_from_version_1(tmp_path: Path) -> None:
    """The first write adds the tables of rollups; before it, the database can be read."""
    create_file(tmp_path / "chest.db", SQLITE_1)
    chest = make_sqlite_chest(tmp_path)
    reader = open_reader(chest)
    assert reader.answer(long_query(now())).whole.rows <= 1
    chest.write(list(days_of_records(now())))
    maintain(chest)
    assert reader.answer(long_query(now())).whole.rows >= DAYS * 200
    versions = query_file(tmp_path / "chest.db", "SELECT version FROM chest_schema")
    assert versions == [(table_names.SCHEMA_VERSION,)]
    reader.close()
    chest.close()
