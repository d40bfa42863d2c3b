"""``flask chest replay``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from flask_chest.app.state import get_state
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.record.json_line import encode

from ..query.records import sample_records
from .shop import make_shop, run

DOWN = {"url": "http://127.0.0.1:1/hook", "name": "down"}


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An app with dead letters of two chests; one store is down, the other accepts them."""
    app = make_shop(tmp_path, CHEST_CHESTS=[DOWN, "sqlite:///chest.db"])
    for name in ("down", "sqlite"):
        letters = DeadLetters(JournalScope(get_state(app).journal_dir), name)
        letters.add([encode(record) for record in sample_records(2)], "refused")
    return app


def test_one_store_is_down(app: Flask) -> None:
    """Other stores get their records; the command fails with the error of the first."""
    result = run(app, "replay")
    assert result.exit_code == 1
    assert result.stdout == "down: 0 delivered, 2 left\nsqlite: 2 delivered, 0 left\n"
    assert "Error: chest 'down' at http://127.0.0.1:1: " in result.stderr


def test_one_chest(app: Flask) -> None:
    """Sends the dead letters of one chest only, and prints JSON."""
    result = run(app, "replay", "sqlite", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"chest": "sqlite", "delivered": 2, "left": 0},
    )
    scope = JournalScope(get_state(app).journal_dir)
    assert len(DeadLetters(scope, "down").read()) == 2


def test_unknown_chest(app: Flask) -> None:
    """The error names the existing chests."""
    result = run(app, "replay", "influx")
    assert result.exit_code == 1
    assert result.output == "Error: there is no chest 'influx'; there are: down, sqlite\n"


def test_two_replays_at_once(app: Flask) -> None:
    """The second replay fails with a message."""
    letters = DeadLetters(JournalScope(get_state(app).journal_dir), "sqlite")
    assert letters.replay_lock.acquire()
    try:
        result = run(app, "replay", "sqlite")
    finally:
        letters.replay_lock.release()
    assert result.exit_code == 1
    assert "are being replayed already" in result.output
