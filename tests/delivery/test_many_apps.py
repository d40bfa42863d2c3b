"""Many apps in one process cost little more than one: in time, threads, descriptors and CPU."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import FlaskChest
from tests import ROOT

# Whole processes.
pytestmark = pytest.mark.server

DESCRIPTORS = 1024


def run(folder: Path, *words: str) -> dict[str, Any]:
    """Run the script; the result says also when its process had ended."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.delivery.many_apps", str(folder), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        preexec_fn=limit_descriptors,
        check=True,
    )
    assert done.stderr == "", done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "ended": time.time()}


def limit_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "chest.db")) as database:
        [(count,)] = database.execute("SELECT count(*) FROM chest_records").fetchall()
    return int(count)


def test_five_hundred_apps_end_at_once(tmp_path: Path) -> None:
    """The process ends within two seconds of the last request, and every record is stored."""
    found = run(tmp_path, "500", "same")
    assert found["ended"] - found["served"]["at"] < 2
    assert rows(tmp_path) == 500
    assert found["served"]["threads"] < 10


def test_apps_with_names_of_their_own(tmp_path: Path) -> None:
    """They have a folder each in the journal, but the process never lacks descriptors."""
    found = run(tmp_path, "400", "names")
    assert found["served"]["threads"] < 10
    # On a busy disk pipelines close late, so half of the limit would be too strict.
    assert found["served"]["descriptors"] < DESCRIPTORS
    app = Flask("app-0", instance_path=str(tmp_path))
    waiting = FlaskChest(app).stats()["chests"]["sqlite"]
    assert waiting["lost"] == {}
    assert rows(tmp_path) >= 300, "the last ones may wait in the journal"


@pytest.mark.parametrize("names", ["same", "names"])
def test_sixty_idle_apps_cost_nothing(tmp_path: Path, names: str) -> None:
    """They take less than a hundredth of a core."""
    assert run(tmp_path, "60", names, "idle")["cpu"] < 0.01


@pytest.mark.parametrize("names", ["same", "names"])
def test_dropped_apps_hold_nothing(tmp_path: Path, names: str) -> None:
    """After ``del app`` no app, thread or descriptor is left, and the records are delivered."""
    number = {"same": 300, "names": 50}[names]
    found = run(tmp_path, str(number), names, "drop")
    assert found["alive"] == 0
    assert found["dropped"]["threads"] == found["before"]["threads"]
    assert found["dropped"]["descriptors"] == found["before"]["descriptors"]
    assert rows(tmp_path) == number
