"""The health page."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from flask_chest import Chest, Record
from flask_chest.dashboard import health_page
from tests.waiting import wait_until

from .shop import make_dashboard_app, open_client

# No server listens on this port.
DOWN = {"url": "http://127.0.0.1:1/hook", "name": "left"}


def test_health(tmp_path: Path) -> None:
    """Shows whether each chest answers, and the error of one that does not."""
    (tmp_path / "bad.db").write_bytes(b"text" * 1000)
    stores = ["sqlite:///chest.db", {"url": "sqlite:///bad.db", "name": "bad"}]
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=stores)
    text = open_client(app).get("/chest/health").text
    app.extensions["chest"].close()
    assert ">ok<" in text
    assert "unreachable: chest &#39;bad&#39;" in text


class Hanging(Chest):
    """A chest whose store does not answer."""

    def __init__(self) -> None:
        super().__init__(name="hanging")
        self.checks = 0
        self.answer = threading.Event()

    def write(self, records: Sequence[Record]) -> None:
        """Accept the records."""

    def check(self) -> None:
        """Wait until the test lets the store answer."""
        self.checks += 1
        assert self.answer.wait(30)


def test_health_of_a_chest_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows the other chests, and a second page starts no second check."""
    monkeypatch.setattr(health_page, "_CHECK_TIMEOUT", 0.2)
    hanging = Hanging()
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", hanging])
    client = open_client(app)

    def page() -> str:
        return client.get("/chest/health").text

    for _ in range(2):
        assert "no answer within 0.2 s" in page()
    assert hanging.checks == 1
    hanging.answer.set()
    monkeypatch.undo()
    wait_until(lambda: page().count(">ok<") == 2, page)
    app.extensions["chest"].close()


def test_health_of_a_removed_chest(tmp_path: Path) -> None:
    """Shows pending records of a chest that is no longer configured."""
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=[DOWN], CHEST_EXPORT_INTERVAL=3600)
    app.test_client().get("/search")
    app.extensions["chest"].close()
    text = open_client(make_dashboard_app(tmp_path)).get("/chest/health").text
    [row] = re.findall(r"<tr><th scope=.row.>left</th>.*?</tr>", text, re.DOTALL)
    assert "not in CHEST_CHESTS" in row
    assert '<td class="n">1</td>' in row
