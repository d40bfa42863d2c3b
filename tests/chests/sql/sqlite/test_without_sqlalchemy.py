"""A worker with the default store does not load SQLAlchemy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..helpers import query_file

_SERVE = """
import sys, threading, time
from flask import Flask, g
from flask_chest import FlaskChest
from flask_chest.operations.background_retention import Maintenance

app = Flask("shop", instance_path=sys.argv[1])
extension = FlaskChest(app)

@app.get("/")
def index():
    g.total = 99.5
    return "paid"

for _ in range(10):
    app.test_client().get("/")
assert extension.flush(60)
chests = extension.of(app).chests
chests[0].check()
# No hour is complete, so there is nothing to roll up or to delete.
Maintenance(chests, 3600.0).run(threading.Event())
extension.close()
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "sqlalchemy"))
"""


@pytest.mark.server
def test_serving(tmp_path: Path) -> None:
    """Requests, delivery, the health check and idle maintenance do without it."""
    command = [sys.executable, "-c", _SERVE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""
    assert query_file(tmp_path / "chest.db", "SELECT count(*) FROM chest_records") == [(10,)]
