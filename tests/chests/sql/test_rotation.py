"""Tables that are renamed for rotation, or dropped, while a chest writes to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.sql_chest import SQLChest
from flask_chest.errors import DeliveryError
from flask_chest.testing import make_records
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from .helpers import make_sqlite_chest
from .rollups.suite import days_of_records, maintain, now


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.server),
        pytest.param("mariadb", marks=pytest.mark.server),
    ]
)
def chest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLChest]:
    with _chest_of(request.param, tmp_path) as chest:
        yield chest
        chest.close()


@contextmanager
def _chest_of(kind: str, folder: Path) -> Iterator[SQLChest]:
    if kind == "sqlite":
        yield make_sqlite_chest(folder)
    elif kind == "postgresql":
        with PostgreSQL() as server:
            yield FlaskChestPostgreSQL(server.url)
    else:
        with MariaDB() as maria:
            yield FlaskChestMySQL(maria.url)


def ask(chest: SQLChest, statement: str) -> list[Any]:
    """Run a statement on a connection of its own, as an administrator would."""
    engine = chest.make_engine()
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def write_again(chest: SQLChest, number: int) -> None:
    """Write a batch; the first attempt may find that the table is missing."""
    records = make_records(number)
    try:
        chest.write(records)
    except DeliveryError:
        chest.write(records)


def test_renamed_tables(chest: SQLChest) -> None:
    """After each rotation a new table has all indexes, and the view reads the new table."""
    chest.write(make_records(3))
    for number in (1, 2):
        for name in ("chest_records", "chest_records_rollups"):
            ask(chest, f"ALTER TABLE {name} RENAME TO {name}_{number}")
        write_again(chest, number)
        assert ask(chest, "SELECT count(*) FROM chest_records") == [(number,)]
        assert ask(chest, "SELECT count(DISTINCT record_id) FROM chest_vars") == [(number,)]
        engine = chest.make_engine()
        indexes = sa.inspect(engine).get_indexes("chest_records")
        engine.dispose()
        columns = [["request_id"], ["route", "time"], ["time"]]
        assert sorted(each["column_names"] for each in indexes) == columns
        assert {str(each["name"])[-2:] for each in indexes} <= {"id", "te", "me", f"_{number + 1}"}
    assert ask(chest, "SELECT count(*) FROM chest_records_1") == [(3,)]


def test_dropped_tables(chest: SQLChest) -> None:
    """Dropped tables are created again without a restart: of records, rollups and maintenance."""
    chest.write(list(days_of_records(now())))
    for name in ("chest_vars", "chest_records", "chest_records_rollups", "chest_upkeep"):
        ask(chest, f"DROP {'VIEW' if name == 'chest_vars' else 'TABLE'} {name}")
    write_again(chest, 2)
    assert ask(chest, "SELECT count(DISTINCT record_id) FROM chest_vars") == [(2,)]
    chest.write(list(days_of_records(now())))
    maintain(chest)
    assert ("chest_records",) in ask(chest, "SELECT table_name FROM chest_upkeep")
    [(rollups,)] = ask(chest, "SELECT count(*) FROM chest_records_rollups")
    assert rollups > 0


def test_dropped_maintenance_table(chest: SQLChest) -> None:
    """A chest that starts creates tables of rollups and maintenance that were dropped."""
    chest.write(make_records(2))
    chest.close()
    ask(chest, "DROP TABLE chest_records_rollups")
    ask(chest, "DROP TABLE chest_upkeep")
    chest.write(list(days_of_records(now())))
    maintain(chest)
    assert ("chest_records",) in ask(chest, "SELECT table_name FROM chest_upkeep")
    [(rollups,)] = ask(chest, "SELECT count(*) FROM chest_records_rollups")
    assert rollups > 0
