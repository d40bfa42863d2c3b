"""A migration that Alembic writes of the app's own models must leave the tables of a chest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine

from flask_chest import FlaskChestSQLite

from ...operations.suite import days_of_records, keep, now

autogenerate = pytest.importorskip("alembic.autogenerate")
migration = pytest.importorskip("alembic.migration")


def is_of_the_app(name: str | None, type_: str, parent_names: object) -> bool:
    """As ``docs/extensions.rst`` has it."""
    return type_ != "table" or not (name or "").startswith("chest_")


def test_what_alembic_is_told(tmp_path: Path) -> None:
    """All that a chest makes in a database has names by which Alembic can leave it out."""
    chest = FlaskChestSQLite(str(tmp_path / "app.db"))
    chest.write(list(days_of_records(now())))
    keep(chest, timedelta(days=2))
    chest.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'app.db'}")

    def found(**options: Any) -> list[Any]:
        with engine.connect() as connection:
            context = migration.MigrationContext.configure(connection, opts=options)
            return list(autogenerate.compare_metadata(context, MetaData()))

    dropped = {change[1].name for change in found() if change[0] == "remove_table"}
    assert dropped == {"chest_records", "chest_records_rollups", "chest_schema", "chest_upkeep"}
    assert found(include_name=is_of_the_app) == []
    engine.dispose()
