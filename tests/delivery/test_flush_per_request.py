"""``CHEST_FLUSH = "request"``: a record is delivered when its request is answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import Flask, g

from flask_chest import Chest, FlaskChest, Record
from flask_chest.errors import ConfigError, DeliveryError


class Switch(Chest):
    """Stores records while it is up, and counts the attempts."""

    def __init__(self) -> None:
        super().__init__(name="switch")
        self.up = True
        self.stored: list[Record] = []
        self.attempts = 0

    def write(self, records: Sequence[Record]) -> None:
        self.attempts += 1
        if not self.up:
            raise DeliveryError("down", retry_after=3600)
        self.stored += records


def make_app(folder: Path, chest: Chest, **config: object) -> Flask:
    app = Flask("app", instance_path=str(folder))
    app.config.update(CHEST_FLUSH="request", CHEST_EXPORT_INTERVAL=3600, **config)
    FlaskChest(app, chests=[chest])

    @app.get("/<int:number>")
    def view(number: int) -> str:
        g.number = number
        return "ok"

    return app


@pytest.mark.parametrize("buffer", ["disk", "memory", "none"])
def test_each_request_delivers(tmp_path: Path, buffer: str) -> None:
    """With every buffer, nothing waits when the response is there."""
    chest = Switch()
    app = make_app(tmp_path, chest, CHEST_BUFFER=buffer)
    for number in range(3):
        assert app.test_client().get(f"/{number}").text == "ok"
        assert [record.vars["number"] for record in chest.stored] == list(range(number + 1))
    app.extensions["chest"].close()


def test_a_store_that_is_down(tmp_path: Path) -> None:
    """Requests are answered; the store is not tried again before its time, and nothing is lost."""
    chest = Switch()
    chest.up = False
    app = make_app(tmp_path, chest)
    for number in range(3):
        assert app.test_client().get(f"/{number}").text == "ok"
    assert chest.attempts == 1
    chest.up = True
    assert app.extensions["chest"].flush(60)
    assert len(chest.stored) == 3
    app.extensions["chest"].close()


def test_a_store_that_hangs(tmp_path: Path) -> None:
    """A request waits for ``CHEST_SHUTDOWN_TIMEOUT`` at most."""

    class Slow(Switch):
        def write(self, records: Sequence[Record]) -> None:
            time.sleep(1)
            super().write(records)

    chest = Slow()
    app = make_app(tmp_path, chest, CHEST_SHUTDOWN_TIMEOUT=0.1)
    start = time.monotonic()
    assert app.test_client().get("/1").text == "ok"
    assert time.monotonic() - start < 0.9
    assert app.extensions["chest"].flush(60)
    app.extensions["chest"].close()


def test_an_agent_does_not_fit(tmp_path: Path) -> None:
    """The error names the keys and the remedy."""
    with pytest.raises(ConfigError, match=r"CHEST_FLUSH: 'request' .* use 'thread'"):
        make_app(tmp_path, Switch(), CHEST_EXPORTER="agent")
