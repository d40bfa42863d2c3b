"""The SQLite chest."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_chest.chests.factory import make_chest
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.errors import ConfigError, DeliveryError, ReadError, RejectedError
from flask_chest.testing import check_chest, make_records

from ...first_use import ROUNDS, write_at_once
from ..helpers import make_sqlite_chest, query_file


def test_app_instead_of_path() -> None:
    """Older versions took the app first; the error says where it goes now."""
    with pytest.raises(ConfigError, match="not a value of type 'Flask'; pass the app as 'app='"):
        FlaskChestSQLite(Flask(__name__))  # type: ignore[arg-type]


def test_removed_argument() -> None:
    """The error lists the arguments of the class."""
    arguments: dict[str, Any] = {"db_uri": "db.sqlite3"}
    with pytest.raises(TypeError, match="FlaskChestSQLite has no argument 'db_uri'; known: path, "):
        FlaskChestSQLite(**arguments)


def test_conforms(tmp_path: Path) -> None:
    """The chest passes the checks that all chests pass."""
    file = tmp_path / "chest.db"
    bad: Any = {"thing": object()}
    done = check_chest(
        lambda: FlaskChestSQLite(str(file)),
        read=lambda: [found for (found,) in query_file(file, "SELECT id FROM chest_records")],
        poison=replace(make_records(1)[0], vars=bad),
    )
    assert done == ("accepts", "ignores_duplicates", "closes", "rejects")


@pytest.mark.server
def test_first_use_by_many_workers(tmp_path: Path) -> None:
    """Eight processes create one file at the same time, and none of them fails."""
    file = tmp_path / "chest.db"
    write_at_once("FlaskChestSQLite", {"path": str(file)}, workers=8)
    assert query_file(file, "SELECT count(*) FROM chest_records") == [(8 * ROUNDS,)]


def test_check_of_rights(tmp_path: Path) -> None:
    """The check of rights creates no file, and stores no record."""
    chest = make_sqlite_chest(tmp_path)
    chest.check_rights()
    assert list(tmp_path.iterdir()) == []
    chest.write(make_records(1))
    chest.check_rights()
    chest.close()
    assert query_file(tmp_path / "chest.db", "SELECT count(*) FROM chest_records") == [(1,)]


def test_missing_value(tmp_path: Path) -> None:
    """A NULL in a NOT NULL column is rejected, not ignored like a duplicate."""
    bad: Any = None
    chest = make_sqlite_chest(tmp_path)
    with pytest.raises(RejectedError, match="NOT NULL"):
        chest.write([replace(make_records(1)[0], request_id=bad)])
    chest.close()


def test_tables_for_sqlalchemy(tmp_path: Path) -> None:
    """Table and view can be queried with SQLAlchemy Core; times are datetimes."""
    [record] = make_records(1)
    chest = make_sqlite_chest(tmp_path)
    chest.write([record])
    columns, variables = chest.records.columns, chest.variables.columns
    with chest.engine().connect() as connection:
        [time] = connection.execute(sa.select(columns.time)).scalars()
        query = sa.select(variables.value).where(variables.name == "text")
        assert connection.execute(query).scalars().all() == [record.vars["text"]]
    chest.close()
    assert time.replace(tzinfo=timezone.utc) == record.time


def test_file_of_another_kind(tmp_path: Path) -> None:
    """A file that is not a database is not changed, and the error names it."""
    file = tmp_path / "chest.db"
    file.write_bytes(b"text" * 1000)
    with pytest.raises(DeliveryError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        make_sqlite_chest(tmp_path).write(make_records(1))
    assert file.read_bytes() == b"text" * 1000


def test_damaged_pages(tmp_path: Path) -> None:
    """Writing, reading and erasing say what to do about a file whose pages are damaged."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(200))
    chest.close()
    file = tmp_path / "chest.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    reader, eraser = chest.reader(), chest.eraser()
    acts: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: chest.write(make_records(1)), DeliveryError),
        (lambda: reader.latest(9), ReadError),
        (lambda: eraser.erase(["0"]), ReadError),
    ]
    for act, kind in acts:
        with pytest.raises(kind, match=r"is damaged: stop the app.*sqlite3 FILE \.recover"):
            act()
    chest.close()
    reader.close()
    eraser.close()


def test_check_creates_nothing(tmp_path: Path) -> None:
    """``check()`` finds out whether the file can be created, without creating it."""
    chest = make_sqlite_chest(tmp_path / "instance" / "deep")
    chest.check()
    assert list(tmp_path.iterdir()) == []
    chest.write(make_records(1))
    chest.check()
    chest.close()


@pytest.mark.parametrize("path", ["taken/chest.db", "taken/deep/chest.db", "folder", "x" * 300])
def test_file_that_cannot_be_created(tmp_path: Path, path: str) -> None:
    """``check()`` and ``write()`` raise an error with the path and a remedy."""
    (tmp_path / "taken").write_text("no folder")
    (tmp_path / "folder").mkdir()
    chest = make_sqlite_chest(tmp_path, path=path)
    for act in (chest.check, lambda: chest.write(make_records(1))):
        with pytest.raises(DeliveryError, match=f"at {tmp_path / path}: .*; let this process"):
            act()


def test_others_cannot_read_new_files(tmp_path: Path) -> None:
    """A new database has mode 0600 like the journal, and so have its -wal and -shm."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("chest.db", "chest.db-wal", "chest.db-shm"), 0o600)
    chest.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_creates_the_file_for_the_owner_of_the_folder(tmp_path: Path) -> None:
    """An app that runs as another user can use the file that a command of root created."""
    os.chown(tmp_path, 12345, 12345)
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    owners = {(file.stat().st_uid, file.stat().st_gid) for file in tmp_path.iterdir()}
    assert owners == {(12345, 12345)}
    chest.close()


def test_the_target_of_a_link_is_private_too(tmp_path: Path) -> None:
    """A link to a file that does not exist yet, e.g. on a volume, creates a private file."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "chest.db").symlink_to(tmp_path / "volume" / "records.db")
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    assert (tmp_path / "volume" / "records.db").stat().st_mode & 0o777 == 0o600
    chest.close()


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    """Whoever let another user read the file decided so."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    chest.close()
    (tmp_path / "chest.db").chmod(0o640)
    chest.write(make_records(2))
    assert (tmp_path / "chest.db").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "chest.db-wal").stat().st_mode & 0o777 == 0o640
    chest.close()


@pytest.mark.parametrize("table", ["", "a b", 'x"; DROP TABLE y', "ä", "x" * 41, "1x"])
def test_table_names(table: str) -> None:
    """Names that need quotes or are too long for an index are errors."""
    with pytest.raises(ConfigError, match="letters, digits and underscores"):
        FlaskChestSQLite(table=table)


@pytest.mark.parametrize("url", ["sqlite://host", "sqlite:///", "sqlite:///:memory:"])
def test_wrong_url(url: str) -> None:
    """A URL without a file or with a host is an error that shows a valid one."""
    with pytest.raises(ConfigError, match="sqlite:///"):
        make_chest(url)


@pytest.mark.parametrize("url", ["sqlite:///chest.db?table=orders", "sqlite:///chest.db#1"])
def test_url_with_parameters(url: str) -> None:
    """Parameters in a URL are errors, not ignored."""
    with pytest.raises(ConfigError, match="'table'"):
        make_chest(url)
