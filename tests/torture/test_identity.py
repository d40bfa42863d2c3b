"""Which records belong to an app: its name is not enough, since many apps are called app."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from flask_chest import FlaskChest
from flask_chest.delivery.journal.writer import JournalWriter
from flask_chest.record.json_line import encode, from_microseconds
from flask_chest.record.record import Record

from .app import rescan
from .visits import deliver


def make_service(folder: Path, journal: Path, store: str) -> Flask:
    """Make a service whose name many services have; its code and instance folder are its own."""
    folder.mkdir(exist_ok=True)
    app = Flask("app", root_path=str(folder), instance_path=str(folder / "instance"))
    app.config.update(CHEST_CHESTS=[store], CHEST_JOURNAL_DIR=str(journal))
    FlaskChest(app)
    app.add_url_rule("/", view_func=lambda: "ok")
    return app


def leave_record(app: Flask) -> None:
    """Write a record as a process does that is killed before it delivers."""
    writer = JournalWriter(app.extensions["chest.state"].journal_scope, 2**20)
    writer.append(encode(Record(id="1" * 32, time=from_microseconds(1))), 1)
    writer.release()


def captured_by(app: Flask) -> int:
    """Serve one request, deliver, and return how many records the app knows of."""
    assert app.test_client().get("/").text == "ok"
    rescan(app)
    deliver(app)
    found: int = next(iter(app.extensions["chest"].stats()["chests"].values()))["captured"]
    app.extensions["chest"].close()
    return found


def test_two_services_with_one_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They share a journal and differ in all else; neither takes the other's records."""
    journal = tmp_path / "journal"
    one = make_service(tmp_path / "one", journal, "sqlite:///one.db")
    two = make_service(tmp_path / "two", journal, "sqlite:///two.db")
    leave_record(one)
    assert captured_by(two) == 1
    assert "was written by another app with the name 'app'" in caplog.text
    assert "give each app its own CHEST_JOURNAL_DIR" in caplog.text
    assert captured_by(one) == 2 + 1  # the totals of a name are one sum


@pytest.mark.parametrize(
    ("folder", "store"), [("new", "sqlite:////{tmp}/one.db"), ("one", "sqlite:///two.db")]
)
def test_an_app_that_moves(tmp_path: Path, folder: str, store: str) -> None:
    """A new release in another folder keeps its store, or a store moves: records are delivered."""
    journal = tmp_path / "journal"
    leave_record(make_service(tmp_path / "one", journal, f"sqlite:////{tmp_path}/one.db"))
    after = make_service(tmp_path / folder, journal, store.format(tmp=tmp_path))
    assert captured_by(after) == 2


def test_two_containers_with_one_name_and_one_path(tmp_path: Path) -> None:
    """While a process of the other service lives, its records are left to it."""
    journal = tmp_path / "journal"
    one = make_service(tmp_path / "app", journal, "sqlite:///one.db")
    two = make_service(tmp_path / "app", journal, "sqlite:///two.db")
    living = JournalWriter(one.extensions["chest.state"].journal_scope, 2**20)
    leave_record(one)
    assert captured_by(two) == 2  # known, and not taken
    assert count_rows(tmp_path / "app" / "instance" / "two.db") == 1
    living.release()


def count_rows(path: Path) -> int:
    """Return the number of records in a store."""
    with closing(sqlite3.connect(path)) as store:
        (found,) = store.execute("SELECT count(*) FROM chest_records").fetchone()
    return int(found)
