"""Renamed chests: waiting records are delivered to the store they were captured for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import FlaskChestSQLite, Record
from flask_chest.chests.base import AppInfo
from flask_chest.delivery.journal.renamed_chests import resolve_renames
from flask_chest.errors import RejectedError

from ..cli.shop import run
from .visits import close, deliver, make_visited_app, visit


def make(folder: Path, *letters: str) -> Flask:
    """Make an app with an unnamed SQLite chest for each letter."""
    return make_visited_app(folder, "app", *(f"sqlite:///{letter}.db" for letter in letters))


def block(folder: Path, *letters: str) -> None:
    """Make databases unwritable: create folders with their names."""
    for letter in letters:
        (folder / f"{letter}.db").mkdir()


def free(folder: Path, *letters: str) -> None:
    for letter in letters:
        (folder / f"{letter}.db").rmdir()


def stored(folder: Path, letter: str) -> list[str]:
    file = folder / f"{letter}.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT request_id FROM chest_records ORDER BY id")
        return [ident for (ident,) in found]


def waiting(folder: Path, *letters: str) -> None:
    """Let one record wait for each of these databases."""
    block(folder, *letters)
    before = make(folder, *letters)
    visit(before, "before")
    close(before)
    free(folder, *letters)


@pytest.mark.parametrize("now", ["cba", "xaybzc"])
def test_changed_numbers(tmp_path: Path, now: str) -> None:
    """New chests or another order change the numbers; each database gets its own records."""
    waiting(tmp_path, *"abc")
    app = make(tmp_path, *now)
    visit(app, "after")
    deliver(app)
    for letter in now:
        own = ["before", "after"] if letter in "abc" else ["after"]
        assert stored(tmp_path, letter) == own, letter
    accounts = app.extensions["chest"].stats()["chests"]
    assert sum(each["delivered"] for each in accounts.values()) == 3 + len(now)
    assert not any(each["pending"] for each in accounts.values())
    close(app)


def test_a_chest_that_is_removed_and_added_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another chest has its name meanwhile, and does not receive its records."""
    waiting(tmp_path, *"ab")
    between = make(tmp_path, "b")
    visit(between, "between")
    deliver(between)
    assert stored(tmp_path, "b") == ["before", "between"]
    assert "which this process does not know" in caplog.text
    assert f"{tmp_path}/a.db" in caplog.text
    told = json.loads(run(between, "status", "--json").stdout)["chests"]
    [name] = set(told) - {"sqlite"}
    assert (told["sqlite"]["pending"], told[name]["pending"]) == (0, 1)
    close(between)
    again = make(tmp_path, *"ab")
    visit(again, "again")
    deliver(again)
    assert stored(tmp_path, "a") == ["before", "again"]
    assert stored(tmp_path, "b") == ["before", "between", "again"]
    close(again)


def test_a_changed_location(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A chest with a new location receives the records of its name, and a warning is logged."""
    waiting(tmp_path, *"ab")
    app = make(tmp_path, *"ac")
    visit(app, "after")
    deliver(app)
    assert stored(tmp_path, "a") == stored(tmp_path, "c") == ["before", "after"]
    moved = [each for each in caplog.messages if "its waiting records are delivered there" in each]
    assert len(moved) == 1
    old, new = tmp_path / "b.db", tmp_path / "c.db"
    assert f"'sqlite-2' was at {old} chest_records and is now at {new}" in moved[0]
    close(app)


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        ({}, {"one": "here"}, ["one", "two"]),
        ({"one": "here", "two": "here"}, {"other": "here"}, ["one", "two"]),
        ({"one": "here"}, {"other": "here"}, ["other", "two"]),
        # The second has no location; if both had one name, one would receive nothing.
        ({"one": "here"}, {"two": "here"}, ["one", "two"]),
        ({"one": "here", "two": "there"}, {"x": "here", "y": "here"}, ["one", "two"]),
        ({"one": "here", "two": "there"}, {"one": "there"}, ["one (here)", "one"]),
    ],
)
def test_resolved_names(then: dict[str, str], now: dict[str, str], found: list[str]) -> None:
    """Each chest has one name, and no two chests have the same."""
    assert resolve_renames(["one", "two"], then, now) == found


class Strict(FlaskChestSQLite):
    """Rejects the record with the request id ``rejected``."""

    rejected = "bad"

    def write(self, records: Sequence[Record]) -> None:
        bad = [record.id for record in records if record.request_id == self.rejected]
        if bad:
            raise RejectedError("no", record_ids=bad)
        super().write(records)


def test_dead_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are replayed to the store that rejected them."""
    app = make_visited_app(tmp_path, "app", Strict("a.db"), FlaskChestSQLite("b.db"))
    visit(app, "bad")
    deliver(app)
    close(app)
    assert (stored(tmp_path, "a"), stored(tmp_path, "b")) == ([], ["bad"])
    monkeypatch.setattr(Strict, "rejected", "")
    again = make(tmp_path, *"cba")
    told = run(again, "replay")
    assert told.stdout.startswith("sqlite: 1 delivered, 0 left\n")
    assert [stored(tmp_path, letter) for letter in "abc"] == [["bad"], ["bad"], []]
    close(again)


def test_dead_letters_of_two_stores_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores had the same name one after the other; each receives its own letters."""
    app = make_visited_app(tmp_path, "app", Strict("a.db"), {"url": "sqlite:///b.db", "name": "b"})
    (tmp_path / "b.db").mkdir()
    visit(app, "bad")
    deliver(app)
    close(app)
    (tmp_path / "b.db").rmdir()
    other = make_visited_app(tmp_path, "app", FlaskChestSQLite("a.db", name="a"), Strict("b.db"))
    visit(other, "good")
    deliver(other)
    close(other)
    monkeypatch.setattr(Strict, "rejected", "")
    assert run(make(tmp_path, *"ab"), "replay", "sqlite").stdout == "sqlite: 2 delivered, 0 left\n"
    assert sorted(stored(tmp_path, "a")) == sorted(stored(tmp_path, "b")) == ["bad", "good"]


def test_dead_letters_of_a_removed_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chest with its number does not receive them; a chest that is given its name does."""
    app = make_visited_app(tmp_path, "app", Strict("a.db"))
    visit(app, "bad")
    deliver(app)
    close(app)
    monkeypatch.setattr(Strict, "rejected", "")
    other = make(tmp_path, "b")
    told = run(other, "replay")
    assert told.stdout == "sqlite: 0 delivered, 1 left\n"
    assert f"the store {tmp_path}/a.db chest_records rejected some" in told.stderr
    close(other)
    named = make_visited_app(tmp_path, "app", {"url": "sqlite:///b.db", "name": "sqlite"})
    assert run(named, "replay").stdout == "sqlite: 1 delivered, 0 left\n"
    assert stored(tmp_path, "b") == ["bad"]
    close(named)


def test_stores_differ(tmp_path: Path) -> None:
    """Chests with another host, database or table have another location."""
    from flask_chest.chests.factory import make_chest

    specs: list[Any] = [
        "sqlite:///a.db",
        "sqlite:///b.db",
        {"url": "sqlite:///a.db", "table": "other"},
        "postgresql://me:secret@host/db",
        {"url": "postgresql://me:secret@host/db", "table": "other"},
        "mysql://me:secret@host/db",
        "mongodb://me:secret@host/db",
        {"url": "mongodb://me:secret@host/db", "collection": "other"},
        "clickhouse://me:secret@host/db",
        {"url": "clickhouse://me:secret@host/db", "table": "other"},
        "influxdb://:secret@host/org/bucket",
        "influxdb://:secret@host/org/bucket?measurement=other",
        "redis://:secret@host/0",
        "redis://:secret@host/0?stream=other",
        "kafka://host/topic",
        "kafka://host/other",
        "https://host/hook",
        "https://host/other",
        "otlp+https://host/one",
        "otlp+https://host/other",
    ]
    chests = [make_chest(spec) for spec in specs]
    for chest in chests:
        chest.bind(AppInfo(instance_path=tmp_path))
    locations = [chest.location() for chest in chests]
    assert all(locations)
    assert len(set(locations)) == len(locations)
    assert not any("secret" in each or "/hook" in each for each in locations)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://{}:{}@host/db",
        "mysql://{}:{}@host/db",
        "mongodb://{}:{}@host/db",
        "clickhouse://{}:{}@host/db",
        "redis://{}:{}@host/0",
        "kafka://{}:{}@host/topic",
        "influxdb://{}:{}@host/org/bucket",
        "https://{}:{}@host/hook",
        "otlp+https://{}:{}@host/logs",
    ],
)
def test_other_credentials(url: str) -> None:
    """The location does not depend on credentials, which may change at each start."""
    from flask_chest.chests.factory import make_chest

    one, other = (make_chest(url.format(word, word)) for word in ("one", "other"))
    assert one.location() == other.location() != ""
