"""SQLite, and what the SQL stores share."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_chest.chests.base import AppInfo
from flask_chest.chests.registry import make_chest
from flask_chest.chests.sql import schema
from flask_chest.chests.sql.sqlite import FlaskChestSQLite
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.encoding import Batch, encode
from flask_chest.testing import check_chest, make_records

from ..first_use import ROUNDS, write_at_once

# What version 1 made; never to be changed.
VERSION_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name));
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time DATETIME NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route TEXT, endpoint TEXT, blueprint TEXT, status INTEGER,
    duration_ms DOUBLE, error TEXT, sample_rate DOUBLE NOT NULL, vars JSON NOT NULL,
    tags JSON NOT NULL, bytes_sent BIGINT, disconnected BOOLEAN, PRIMARY KEY (id)) WITHOUT ROWID;
INSERT INTO chest_schema VALUES ('chest_records', 1);
INSERT INTO chest_records VALUES ('0', '2026-11-21 00:00:00.000000', 'request', 'r', NULL, 'GET',
    '/', 'index', NULL, 200, 1.5, NULL, 1.0, '{"a": 1}', '{}', NULL, NULL);
"""


def chest_in(folder: Path, **arguments: Any) -> FlaskChestSQLite:
    chest = FlaskChestSQLite(**arguments)
    chest.bind(AppInfo(instance_path=folder, timeout=60))
    return chest


def ask(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def test_an_app_in_place_of_a_path() -> None:
    """As it was written for older versions: it is told where it goes."""
    with pytest.raises(ConfigError, match="not a value of type 'Flask'; pass the app as 'app='"):
        FlaskChestSQLite(Flask(__name__))  # type: ignore[arg-type]


def test_arguments_of_older_versions() -> None:
    """One that is gone is told by the class' name, with those that there are."""
    arguments: dict[str, Any] = {"db_uri": "db.sqlite3"}
    with pytest.raises(TypeError, match="FlaskChestSQLite has no argument 'db_uri'; known: path, "):
        FlaskChestSQLite(**arguments)


def test_conforms(tmp_path: Path) -> None:
    """It passes the suite that every backend must pass."""
    file = tmp_path / "chest.db"
    bad: Any = {"thing": object()}
    done = check_chest(
        lambda: FlaskChestSQLite(str(file)),
        read=lambda: [found for (found,) in ask(file, "SELECT id FROM chest_records")],
        poison=replace(make_records(1)[0], vars=bad),
    )
    assert done == ("accepts", "ignores_duplicates", "closes", "rejects")


@pytest.mark.server
def test_first_use_by_many_workers(tmp_path: Path) -> None:
    """Eight processes that find no file make one, and none of them fails."""
    file = tmp_path / "chest.db"
    write_at_once("FlaskChestSQLite", {"path": str(file)}, workers=8)
    assert ask(file, "SELECT count(*) FROM chest_records") == [(8 * ROUNDS,)]


def test_null_is_not_ignored(tmp_path: Path) -> None:
    """What passes over duplicates does not pass over a missing value."""
    bad: Any = None
    chest = chest_in(tmp_path)
    with pytest.raises(RejectedError, match="NOT NULL"):
        chest.write([replace(make_records(1)[0], request_id=bad)])
    chest.close()


def test_view(tmp_path: Path) -> None:
    """The view has one row per variable, booleans as words."""
    chest = chest_in(tmp_path)
    chest.write(make_records(1))
    chest.close()
    rows = ask(tmp_path / "chest.db", "SELECT name, value FROM chest_vars ORDER BY name")
    assert rows == [("flag", "true"), ("number", 0), ("share", 0.5), ("text", "ä, \"b\" 'c'\n")]


def test_reads_back_through_sqlalchemy(tmp_path: Path) -> None:
    """Table and view are there for SQLAlchemy Core, with times as times."""
    [record] = make_records(1)
    chest = chest_in(tmp_path)
    chest.write([record])
    columns, variables = chest.records.columns, chest.variables.columns
    with chest.engine().connect() as connection:
        [time] = connection.execute(sa.select(columns.time)).scalars()
        query = sa.select(variables.value).where(variables.name == "text")
        assert connection.execute(query).scalars().all() == [record.vars["text"]]
    chest.close()
    assert time.replace(tzinfo=timezone.utc) == record.time


def test_table_with_other_columns(tmp_path: Path) -> None:
    """A stranger's table is left alone, and the error says what to do."""
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        connection.execute("CREATE TABLE chest_records (id int)")
    with pytest.raises(DeliveryError, match="give this chest another 'table'"):
        chest_in(tmp_path).write(make_records(1))
    chest = chest_in(tmp_path, table="other_records")
    chest.write(make_records(1))
    chest.close()


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of another kind is left alone, and the error names it."""
    file = tmp_path / "chest.db"
    file.write_bytes(b"text" * 1000)
    with pytest.raises(DeliveryError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        chest_in(tmp_path).write(make_records(1))
    assert file.read_bytes() == b"text" * 1000


def test_database_of_the_first_version(tmp_path: Path) -> None:
    """What version 1 made is taken as it is, and written to."""
    file = tmp_path / "chest.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(VERSION_1)
    chest = chest_in(tmp_path)
    chest.write(make_records(2))
    chest.close()
    assert ask(file, "SELECT count(*) FROM chest_records") == [(3,)]


def test_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version brings the table up to date once, step by step, and keeps what is in it."""
    file = tmp_path / "chest.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(VERSION_1)
    steps = []

    def add_column(connection: sa.Connection, table: str) -> None:
        steps.append(table)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN added_{len(steps)} TEXT")

    monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(schema, "UPGRADES", {2: add_column, 3: add_column})
    for _ in range(2):
        chest = chest_in(tmp_path)
        chest.engine()
        chest.close()
    assert steps == ["chest_records", "chest_records"]
    assert ask(file, "SELECT version FROM chest_schema") == [(3,)]
    assert ask(file, "SELECT id, added_1, added_2 FROM chest_records") == [("0", None, None)]


def test_later_version(tmp_path: Path) -> None:
    """A database of a later version is written to as far as its columns are ours."""
    file = tmp_path / "chest.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(VERSION_1)
        connection.execute("ALTER TABLE chest_records ADD COLUMN later TEXT")
        connection.execute("UPDATE chest_schema SET version = 9")
        connection.commit()
    chest = chest_in(tmp_path)
    chest.write(Batch([encode(record) for record in make_records(2)]))
    chest.close()
    assert ask(file, "SELECT count(*) FROM chest_records") == [(3,)]


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    """Before the first write there is no file, and whether one could be made is told without it."""
    chest = chest_in(tmp_path / "instance" / "deep")
    chest.check()
    assert list(tmp_path.iterdir()) == []
    chest.write(make_records(1))
    chest.check()
    chest.close()


@pytest.mark.parametrize("path", ["taken/chest.db", "taken/deep/chest.db", "folder", "x" * 300])
def test_where_no_file_can_be(tmp_path: Path, path: str) -> None:
    """It is told by check() and write() alike, with the address and what to do."""
    (tmp_path / "taken").write_text("no folder")
    (tmp_path / "folder").mkdir()
    chest = chest_in(tmp_path, path=path)
    for act in (chest.check, lambda: chest.write(make_records(1))):
        with pytest.raises(DeliveryError, match=f"at {tmp_path / path}: .*; let this process"):
            act()


@pytest.mark.parametrize("table", ["", "a b", 'x"; DROP TABLE y', "ä", "x" * 41, "1x"])
def test_table_names(table: str) -> None:
    """A name that would have to be quoted, or is too long for an index, is refused."""
    with pytest.raises(ConfigError, match="letters, digits and underscores"):
        FlaskChestSQLite(table=table)


@pytest.mark.parametrize("url", ["sqlite://host", "sqlite:///", "sqlite:///:memory:"])
def test_wrong_url(url: str) -> None:
    """A URL without a file, or with a host, is refused with the right one."""
    with pytest.raises(ConfigError, match="sqlite:///"):
        make_chest(url)


@pytest.mark.parametrize("url", ["sqlite:///chest.db?table=orders", "sqlite:///chest.db#1"])
def test_more_than_a_file(url: str) -> None:
    """What a URL cannot say is refused, not passed over."""
    with pytest.raises(ConfigError, match="'table'"):
        make_chest(url)
