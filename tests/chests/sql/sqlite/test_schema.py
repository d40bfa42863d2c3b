"""The tables that SQLite files get without SQLAlchemy are those that SQLAlchemy describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_chest.chests.sql.table_creation_and_upgrade import Schema
from flask_chest.testing import make_records

from ..helpers import make_sqlite_chest, query_file


def describe(file: Path) -> dict[str, Any]:
    """Columns and indexes of all tables, and the queries of views."""
    found: dict[str, Any] = {}
    for kind, name, sql in query_file(file, "SELECT type, name, sql FROM sqlite_master"):
        if kind == "view":
            found[name] = sql
        if kind != "table":
            continue
        indexes = query_file(file, f"SELECT name FROM pragma_index_list('{name}')")
        found[name] = (
            "WITHOUT ROWID" in sql,
            query_file(file, f"PRAGMA table_xinfo('{name}')"),
            {each: query_file(file, f"PRAGMA index_xinfo('{each}')") for (each,) in indexes},
        )
    return found


@pytest.mark.parametrize("table", ["chest_records", "orders"])
def test_same_tables(tmp_path: Path, table: str) -> None:
    """Both ways of creating a file give the same tables, indexes and view.

    If this fails, a table was changed in one of ``tables.py`` and ``sqlite_schema.py``.
    """
    ours = make_sqlite_chest(tmp_path / "ours", table=table)
    ours.write(make_records(1))
    ours.close()
    theirs = make_sqlite_chest(tmp_path / "theirs", table=table)
    theirs.file().parent.mkdir()
    engine = theirs.make_engine()
    Schema(theirs).create_or_upgrade(engine)
    engine.dispose()
    assert describe(ours.file()) == describe(theirs.file())
    query = "SELECT * FROM chest_schema"
    assert query_file(ours.file(), query) == query_file(theirs.file(), query)
