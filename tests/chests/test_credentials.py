"""Passwords of stores appear nowhere that people read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from flask import Flask

from tests.apps import make_app
from tests.cli.shop import run
from tests.dashboard.shop import TOKEN, log_in
from tests.servers.daemon import free_port

# No server listens on the port, so each chest reports a failure wherever it can.
URLS = (
    "postgresql://me:{secret}@127.0.0.1:{port}/db",
    "mysql://me:{secret}@127.0.0.1:{port}/db",
    "mongodb://me:{secret}@127.0.0.1:{port}/db",
    "influxdb://me:{secret}@127.0.0.1:{port}/org/bucket",
    "redis://me:{secret}@127.0.0.1:{port}/0",
    "kafka://me:{secret}@127.0.0.1:{port}/topic?sasl.mechanism=SCRAM-SHA-256",
    "otlp+http://me:{secret}@127.0.0.1:{port}/{secret}",
    "http://me:{secret}@127.0.0.1:{port}/in?key={secret}",
)
COMMANDS = (["status", "--json"], ["stats", "--chest", "far"], ["show", "none"])
SECRET = "hunter22"


def app_with_store(folder: Path, url: str) -> Flask:
    app = make_app(
        folder,
        SECRET_KEY="of the session",
        CHEST_CHESTS=["sqlite:///chest.db", {"url": url, "name": "far"}],
        CHEST_DASHBOARD=True,
        CHEST_DASHBOARD_TOKEN=TOKEN,
        CHEST_EXPORT_TIMEOUT=0.2,
        CHEST_SHUTDOWN_TIMEOUT=2.0,
    )
    app.add_url_rule("/", "home", lambda: "hello")
    return app


@pytest.mark.parametrize("url", URLS)
def test_password_is_hidden(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """``stats()``, commands, the dashboard, the log and ``repr`` do not show the password."""
    app = app_with_store(tmp_path, url.format(secret=SECRET, port=free_port()))
    chest = app.extensions["chest"]
    with caplog.at_level(logging.DEBUG):
        app.test_client().get("/")
        chest.flush(60)
        client = app.test_client()
        log_in(client)
        pages = [client.get(f"/chest{page}") for page in ("/", "/health", "/requests?chest=far")]
        told = [run(app, *arguments).output for arguments in COMMANDS]
        stats = json.dumps(chest.stats(), default=repr)
        chest.close()
    assert "'far'" in caplog.text, "the chest must log its failure"
    assert "far" in stats
    assert "far" in told[0]
    shown = [page.get_data(as_text=True) for page in pages]
    assert "far" in shown[1]
    for text in (*told, *shown, stats, repr(chest), caplog.text):
        assert SECRET not in text
