"""The hourly maintenance that the exporter runs in the background."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import FlaskChest
from flask_chest.delivery import pipeline
from flask_chest.operations.background_retention import Maintenance

from ..chests.sql.helpers import make_sqlite_chest
from ..chests.sql.rollups.suite import days_of_records, now


def test_store_that_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error is logged once, and the next run tries again."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    maintenance = Maintenance([make_sqlite_chest(tmp_path, timeout=1)], 3600)
    for _ in range(3):
        maintenance.run(threading.Event())
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("maintenance is postponed: chest 'sqlite' at")


def test_exporter_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a serving app, the exporter deletes old records between deliveries."""
    monkeypatch.setattr(pipeline, "_MAINTENANCE_INTERVAL", 0.05)
    pruned = threading.Event()
    run = Maintenance.run

    def run_and_count(self: Maintenance, stop: threading.Event) -> None:
        run(self, stop)
        with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
            [(left,)] = connection.execute("SELECT count(*) FROM chest_records").fetchall()
        if left == 1:
            pruned.set()

    monkeypatch.setattr(Maintenance, "run", run_and_count)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["CHEST_RETENTION"] = "1 day"
    extension = FlaskChest(app)
    chest: Any = extension.of(app).chests[0]
    chest.write(list(days_of_records(now() - timedelta(days=2))))
    app.test_client().get("/")
    assert extension.flush(60)
    assert pruned.wait(60)
    extension.close()
