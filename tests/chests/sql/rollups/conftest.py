"""Fixtures of the tests of rollups."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.sql.reader import SQLReader

from ..helpers import make_sqlite_chest


@pytest.fixture(autouse=True)
def _rollups_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollups answer long ranges, however few records are stored."""
    monkeypatch.setattr(SQLReader, "prefers_records", False)


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    """An SQLite chest whose file is ``chest.db`` in ``tmp_path``."""
    return make_sqlite_chest(tmp_path)
