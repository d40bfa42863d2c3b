"""The app factory: blueprints, TOML, environment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_chest.testing import capture_records
from tests import ROOT

pytest.importorskip("tomllib", reason="Python 3.10 reads TOML with tomli")

from examples.factory import create_app


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_CHEST_CHESTS", '["memory://"]')
    monkeypatch.setenv("FLASK_CHEST_BUFFER", "none")


def test_blueprints_have_their_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """chest.toml configures one blueprint, track() the other; the environment wins."""
    monkeypatch.setenv(
        "FLASK_CHEST_SLOW_MS", "0"
    )  # all requests count as slow, so sampling drops none
    app = create_app()
    client = app.test_client()
    with capture_records(app) as records:
        assert client.post("/orders/7", data={"total": "99.5", "note": "ring"}).text == "paid"
        assert client.get("/reports/sales").json == {"rows": 5}
    paid, report = records
    assert paid.vars == {"order_id": 7, "total": 99.5}
    assert (paid.blueprint, report.blueprint) == ("orders", "reports")
    assert report.vars == {"rows": 5}
    assert paid.tags["service"] == "factory"


def test_two_apps() -> None:
    """One extension serves two apps of the factory."""
    first, second = create_app(), create_app(CHEST_TAGS={"service": "second"})
    with capture_records(first) as before, capture_records(second) as after:
        second.test_client().post("/orders/7", data={"total": "1"})
    assert not before
    assert after[0].tags["service"] == "second"


def test_flask_command() -> None:
    """``flask --app examples.factory chest rules`` shows what the app records."""
    command = [sys.executable, "-m", "flask", "--app", "examples.factory", "chest", "rules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "order_id, total" in done.stdout
    assert "CHEST_BLUEPRINTS['orders']" in done.stdout
