"""The findings of the diagnosis about records that do not reach their store."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import Chest, Record
from flask_chest.app.state import get_state
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.operations.diagnosis import journal
from flask_chest.operations.diagnosis.finding import Finding

from ...apps import make_app


class Refusing(Chest):
    """A chest that raises an error for every batch."""

    def __init__(self, error: Exception) -> None:
        super().__init__(name="refusing")
        self._error = error

    def write(self, records: Sequence[Record]) -> None:
        raise self._error


def visited(folder: Path, **config: Any) -> Flask:
    """An app that has recorded one request."""
    app = make_app(folder, **config)
    app.add_url_rule("/", view_func=lambda: "ok")
    app.test_client().get("/")
    return app


def examine(app: Flask) -> list[Finding]:
    state = get_state(app)
    return [
        each
        for each in journal.examine_journal(state.journal_scope, state.settings.exporter)
        if each.is_problem
    ]


@pytest.fixture
def _any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records count as late at once."""
    monkeypatch.setattr(journal, "_MAX_AGE", 0.0)


@pytest.mark.usefixtures("_any_age")
def test_nobody_delivers(tmp_path: Path) -> None:
    """Records of an app whose agent does not run; the remedy is the command that delivers them."""
    app = visited(tmp_path, CHEST_EXPORTER="agent")
    [found] = examine(app)
    assert "records for the chest 'sqlite' have waited" in found.text
    assert found.remedy == "flask chest agent"
    before = sorted(tmp_path.rglob("*"))
    assert examine(app) == [found]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("_any_age")
def test_somebody_delivers(tmp_path: Path) -> None:
    """A store that is down is not the journal's problem: a process tries to deliver."""
    app = visited(tmp_path, CHEST_CHESTS=[Refusing(DeliveryError("down"))])
    assert not app.extensions["chest"].flush(5)
    assert examine(app) == []
    app.extensions["chest"].close()


def test_records_of_a_moment_ago(tmp_path: Path) -> None:
    """A record may wait for a moment."""
    assert examine(visited(tmp_path, CHEST_EXPORTER="agent")) == []


def test_an_unknown_chest(tmp_path: Path) -> None:
    """Records wait for a chest that is no longer configured."""
    app = visited(tmp_path, CHEST_CHESTS=[Refusing(DeliveryError("down"))])
    app.extensions["chest"].close()
    [found] = examine(make_app(tmp_path))
    assert "wait for 'refusing', which is not in CHEST_CHESTS" in found.text


def test_dead_letters(tmp_path: Path) -> None:
    """Rejected records are named with the command that sends them again."""
    app = visited(tmp_path, CHEST_CHESTS=[Refusing(RejectedError("too long"))])
    assert app.extensions["chest"].flush(60)
    app.extensions["chest"].close()
    [found] = examine(app)
    assert found.remedy == "flask chest replay --chest refusing"


def test_remedies_are_safe_in_a_shell(tmp_path: Path) -> None:
    """A name that somebody chose is one word of the command, not a command of its own."""
    app = make_app(tmp_path / "my app; touch x")
    letters = tmp_path / "my app; touch x" / "chest-journal" / "dead" / "sales%3B%20reboot.ndjson"
    letters.parent.mkdir(parents=True)
    letters.write_text("{}")
    (letters.parents[1] / "ledger.json").write_text("{")
    commands = [found.remedy.partition(", ")[0] for found in examine(app)]
    assert len(commands) == 2
    assert shlex.split(commands[0]) == ["flask", "chest", "replay", "--chest", "sales; reboot"]
    assert shlex.split(commands[1])[-1] == str(letters.parents[1] / "ledger.json")


def test_unreadable_files(tmp_path: Path) -> None:
    """A damaged ledger, and a folder of another version."""
    app = make_app(tmp_path)
    assert examine(app) == []
    folder = tmp_path / "chest-journal" / "0199-1-a"
    folder.mkdir(parents=True)
    (folder / "writer.json").write_text('{"version": 999, "owner": "app"}')
    (tmp_path / "chest-journal" / "ledger.json").write_text("{")
    texts = [found.text for found in examine(app)]
    assert len(texts) == 2
    assert "was written by another version of Flask-Chest" in texts[0]
    assert "ledger.json cannot be read" in texts[1]
