"""Tests Dockerflow without any of the optional libraries."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys

OPTIONAL = {"sqlalchemy", "flask_sqlalchemy", "flask_migrate", "alembic", "redis", "flask_redis",
            "flask_login", "jsonschema", "asgiref"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OPTIONAL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

import logging, threading
from flask import Flask
from flask_chest.dockerflow import Dockerflow, checks, health, signals
from flask_chest.dockerflow.logging import MozlogHandler

assert threading.active_count() == 1
logging.basicConfig(handlers=[MozlogHandler()], level=logging.INFO)
app = Flask("bare")
dockerflow = Dockerflow(app, redis=object())

@dockerflow.check
async def fine():
    return []

client = app.test_client()
answer = client.get("/__heartbeat__")
assert answer.status_code == 500, answer.text
assert answer.json["checks"] == {"check_redis_connected": "critical", "fine": "ok"}, answer.text
assert client.get("/__version__").status_code == 404
assert client.get("/__lbheartbeat__").status_code == 200
assert client.get("/__error__").status_code == 500
"""


def test_optional_libraries_are_optional() -> None:
    """Dockerflow works; a check whose library is missing has a message about it."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("{") for line in done.stdout.splitlines())


def test_importing_does_nothing() -> None:
    """Importing starts no thread and imports no optional library."""
    program = """
import sys, threading
import flask_chest.dockerflow, flask_chest.dockerflow.logging, flask_chest.dockerflow.version
optional = {"sqlalchemy", "alembic", "redis", "flask_login", "flask_migrate", "flask_sqlalchemy"}
print(threading.active_count(), optional & sys.modules.keys())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "1 set()\n", done.stderr
