"""``flask chest status``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import Chest

from .shop import cells, make_shop, run


class Unreachable(Chest):
    """A chest whose store is down."""

    scheme = "down"

    def write(self, records: Any) -> None:
        raise ConnectionError("no route to host")

    def check(self) -> None:
        raise ConnectionError("no route to host")


def status(app: Flask) -> tuple[dict[str, list[str]], str]:
    result = run(app, "status")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert cells(lines[0]) == [
        *("chest", "health", "captured", "delivered", "pending", "rejected", "lost")
    ]
    return {cells(line)[0]: cells(line)[1:] for line in lines[2 : lines.index("")]}, lines[-1]


def test_status(tmp_path: Path) -> None:
    """Shows each chest's address, health and ledger, with the records of all processes."""
    app = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", Unreachable()])
    rows, last = status(app)
    assert rows["sqlite"] == ["ok", "0", "0", "0", "0", "0"]
    assert rows["down"] == ["unreachable", "0", "0", "0", "0", "0"]
    lines = run(app, "status").stdout.splitlines()
    assert f"sqlite: {tmp_path / 'chest.db'}" in lines
    assert lines[lines.index("down: down") + 1] == (
        "  unreachable: chest 'down' at down: ConnectionError: no route to host"
    )
    assert lines[-2] == f"journal: {tmp_path / 'chest-journal'}"
    assert last == "delivered by: each process of the app, from its first record on"
    _, last = status(make_shop(tmp_path, CHEST_EXPORTER="agent"))
    assert last == "delivered by: flask chest agent (CHEST_EXPORTER)"
    for _ in range(3):
        app.test_client().get("/")
    assert not app.extensions["chest"].flush(60)
    app.extensions["chest"].close()
    again = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db"])
    rows, _ = status(again)
    assert rows["sqlite"][1:] == ["3", "3", "0", "0", "0"]
    assert rows["down"] == ["not in CHEST_CHESTS", "3", "0", "3", "0", "0"]


@pytest.mark.parametrize("buffer", ["memory", "none"])
def test_status_without_a_journal(tmp_path: Path, buffer: str) -> None:
    """Without a journal, the command says that it shows its own records only."""
    _, last = status(make_shop(tmp_path, CHEST_CHESTS=["memory://"], CHEST_BUFFER=buffer))
    assert "the records of this command only" in last


def test_status_of_a_store_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that hangs is shown in the table, and in red below it like one that is down."""
    answered = threading.Event()

    class Hanging(Unreachable):
        def check(self) -> None:
            answered.wait(60)

    module = sys.modules["flask_chest.cli.status"]  # the package has the command of that name
    monkeypatch.setattr(module, "_CHECK_TIMEOUT_SECONDS", 0.1)
    app = make_shop(tmp_path, CHEST_CHESTS=[Hanging()])
    lines = run(app, "status").stdout.splitlines()
    answered.set()
    assert cells(lines[2])[1] == "no answer within 0.1 s"
    assert lines[lines.index("down: down") + 1] == "  no answer within 0.1 s"
