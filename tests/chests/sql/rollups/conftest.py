"""Fixtures of the tests of rollups."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_chest import FlaskChestSQLite

from ..helpers import make_sqlite_chest


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    """An SQLite chest whose file is ``chest.db`` in ``tmp_path``."""
    return make_sqlite_chest(tmp_path)
