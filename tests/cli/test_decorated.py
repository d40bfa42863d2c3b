"""Commands work with the chests of decorators, before any request to their views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.views import MethodView

from flask_chest import flask_chest
from flask_chest.app.state import get_state
from flask_chest.cli.command_context import current_state
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.record.json_line import encode
from tests.waiting import wait_until

from ..apps import make_app, make_plain_app
from ..query.records import sample_records
from .shop import run

NAMES = ("now", "later", "method")


def decorated_app(folder: Path, *, extended: bool = True, **config: Any) -> Flask:
    """Make an app whose views write to separate databases: one at once, two in the background."""
    make = make_app if extended else make_plain_app
    chests = ["sqlite:///own.db"]
    app = make(folder, TESTING=True, CHEST_CHESTS=chests, CHEST_EXPORT_INTERVAL=0.05, **config)
    now, later, method = [{"url": f"sqlite:///{name}.db", "name": name} for name in NAMES]

    def put() -> str:
        g.user_id = 7
        return "done"

    class Method(MethodView):
        @flask_chest([method], raise_exceptions=False)
        def get(self) -> str:
            return put()

    app.add_url_rule("/now", "now", flask_chest([now])(put))
    app.add_url_rule("/later", "later", flask_chest([later], raise_exceptions=False)(put))
    app.add_url_rule("/method", view_func=Method.as_view("method"))
    return app


def visit(app: Flask, *paths: str) -> None:
    client = app.test_client()
    for path in paths:
        assert client.get(path).status_code == 200


def deliver(app: Flask) -> None:
    """Deliver pending records, as ``flask chest agent`` does."""
    with app.app_context():
        agent = current_state().build_agent()
    agent.start()

    def is_done() -> bool:
        return not any(each.pending for each in agent.ledger().accounts.values())

    wait_until(is_done, lambda: str(agent.ledger().to_dict()))
    agent.close()


def exported(app: Flask, name: str) -> list[Any]:
    return [json.loads(line) for line in run(app, "export", "--chest", name).stdout.splitlines()]


KINDS = pytest.mark.parametrize("extended", [True, False], ids=["extended", "alone"])


@KINDS
def test_an_agent_delivers_for_decorators(tmp_path: Path, extended: bool) -> None:
    """The agent delivers the records of decorated views to their chests."""
    serving = decorated_app(tmp_path, extended=extended, CHEST_EXPORTER="agent")
    visit(serving, "/method", "/method", "/later", "/now", "/now", "/now")
    agent = decorated_app(tmp_path, extended=extended, CHEST_EXPORTER="agent")
    deliver(agent)
    found = {name: len(exported(agent, name)) for name in NAMES}
    assert found == {"now": 3, "later": 1, "method": 2}


@KINDS
def test_status(tmp_path: Path, extended: bool) -> None:
    """Shows each chest with its address; a chest written within the request has no ledger."""
    app = decorated_app(tmp_path, extended=extended, CHEST_EXPORTER="agent")
    visit(app, "/later", "/later", "/now")
    told = json.loads(run(decorated_app(tmp_path, extended=extended), "status", "--json").stdout)
    chests = told["chests"]
    assert list(chests) == [*(["sqlite"] if extended else []), "later", "method", "now"]
    assert chests["now"] == {"address": str(tmp_path / "now.db"), "health": "ok"}
    assert (chests["later"]["health"], chests["later"]["pending"]) == ("ok", 2)
    lines = run(decorated_app(tmp_path, extended=extended), "status").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("now ")] == [["now", "ok", *"-----"]]


@KINDS
def test_forget(tmp_path: Path, extended: bool) -> None:
    """Erases a person's records from the stores of decorators, too."""
    app = decorated_app(tmp_path, extended=extended, CHEST_EXPORTER="agent")
    visit(app, "/now", "/later", "/method")
    deliver(app)
    again = decorated_app(tmp_path, extended=extended)
    file = tmp_path / "person.ndjson"
    assert run(again, "forget", "--where", "user_id=7", "--export", str(file)).exit_code == 0
    assert len(file.read_bytes().splitlines()) == 3
    told = json.loads(run(again, "forget", "--where", "user_id=7", "--yes", "--json").stdout)
    own = {"sqlite": 0} if extended else {}
    assert told["erased"] == {**own, "later": 1, "method": 1, "now": 1}
    assert [exported(again, name) for name in NAMES] == [[], [], []]


def test_replay(tmp_path: Path) -> None:
    """Sends dead letters of a decorator's chest again."""
    app = decorated_app(tmp_path)
    journal = JournalScope(get_state(app).journal_dir)
    DeadLetters(journal, "later").add([encode(record) for record in sample_records(10)], "refused")
    assert "later: 10 delivered, 0 left" in run(app, "replay").stdout.splitlines()
    assert len(exported(app, "later")) == 10


def test_import(tmp_path: Path) -> None:
    """Imports to the app's own chests; to a decorator's chest only if --chest names it."""
    app = decorated_app(tmp_path)
    file = tmp_path / "records.ndjson"
    file.write_bytes(b"".join(encode(record) + b"\n" for record in sample_records(10)))
    assert run(app, "import", str(file)).stdout == "10 imported\n"
    assert len(exported(app, "sqlite")) == 10
    assert [exported(app, name) for name in NAMES] == [[], [], []]
    run(app, "import", str(file), "--chest", "now")
    assert len(exported(app, "now")) == 10
    refused = run(decorated_app(tmp_path, extended=False), "import", str(file))
    assert refused.exit_code == 2
    assert "CHEST_CHESTS names no chest; choose one with --chest NAME" in refused.output


@KINDS
def test_recording_is_off(tmp_path: Path, extended: bool) -> None:
    """Commands report that recording is off."""
    result = run(decorated_app(tmp_path, extended=extended, CHEST_ENABLED=False), "status")
    assert result.exit_code == 1
    assert "recording is off: CHEST_ENABLED is False" in result.output
