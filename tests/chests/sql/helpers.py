"""SQLite chests for tests, and queries of their files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from flask_chest import FlaskChestSQLite
from flask_chest.chests.base import AppInfo
from flask_chest.chests.reader import Reader
from flask_chest.chests.sql.sql_chest import SQLChest


def make_sqlite_chest(folder: Path, timeout: float = 60, **arguments: Any) -> FlaskChestSQLite:
    """A chest whose file is in a folder, ``chest.db`` by default."""
    chest = FlaskChestSQLite(**arguments)
    chest.bind(AppInfo(instance_path=folder, timeout=timeout))
    return chest


def query_file(file: Path, query: str) -> list[tuple[Any, ...]]:
    """Query a database file directly."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def create_file(file: Path, script: str) -> None:
    """Create a database file with an SQL script."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)


def open_reader(chest: SQLChest) -> Reader:
    """A reader of a chest; the caller closes it."""
    reader = chest.reader()
    assert reader is not None
    return reader
