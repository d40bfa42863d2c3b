"""Fixtures of the command tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask

from flask_chest.app.state import get_state

from ..query.records import sample_records
from .shop import make_shop


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 600 records."""
    folder = tmp_path_factory.mktemp("stored")
    [chest] = get_state(make_shop(folder)).chests
    chest.write(sample_records())
    chest.close()
    return folder / "chest.db"


@pytest.fixture
def shop(tmp_path: Path, stored: Path) -> Flask:
    """An app with 600 records in its store."""
    shutil.copy(stored, tmp_path)
    return make_shop(tmp_path)
