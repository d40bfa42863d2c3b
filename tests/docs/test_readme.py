"""Examples, tables, commands and links of README.rst are true."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.chests.store_registry import SCHEMES
from flask_chest.testing import capture_records
from tests import ROOT

from .pages import find_blocks

README = (ROOT / "README.rst").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return [block.body for block in find_blocks(README) if block.kind == language]


def test_the_example_leaves_the_rows_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first example runs unchanged, and leaves the rows that README.rst shows."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    exec(blocks("python")[0], names)
    app = names["app"]
    assert isinstance(app, Flask)
    assert app.test_client().post("/orders/7").text == "paid"
    assert app.extensions["chest"].flush(60)
    with closing(sqlite3.connect(tmp_path / "instance" / "chest.db")) as connection:
        (record,) = connection.execute("select method, route, status, vars from chest_records")
        variables = connection.execute("select name, value from chest_vars").fetchall()
    app.extensions["chest"].close()
    shown = [re.split(r" {2,}", line.strip()) for line in README.splitlines()]
    assert [str(value) for value in record] in [line[1:4] + line[5:] for line in shown]
    for name, value in variables:
        assert [name, str(value)] in [line[1:] for line in shown]


def test_the_table_lists_every_store() -> None:
    """The table lists every store that ``CHEST_CHESTS`` accepts, except the one for tests."""
    named = set(re.findall(r"``([a-z+]+)://", README)) | {"memory"}
    assert named <= set(SCHEMES)
    assert {SCHEMES[scheme] for scheme in named} == set(SCHEMES.values())


def test_ci_runs_the_command_of_the_readme() -> None:
    """``.ci/run`` contains the second command of README.rst."""
    command = blocks("shell")[1].strip()
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_linked_files_exist() -> None:
    """Every file that README.rst links to exists."""
    targets = re.findall(r"<([^>:]+)>`_", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_rules_record_only_named_variables(tmp_path: Path) -> None:
    """The rules of the example record the variables that they name, and no others."""
    app = Flask("shown", instance_path=str(tmp_path))
    exec(blocks("python")[1], {"app": app})
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none")
    FlaskChest(app)

    @app.post("/orders/<int:order_id>")
    def pay(order_id: int) -> str:
        g.user_id, g.total, g.note = 42, 99.5, "ring twice"
        return "paid"

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    with capture_records(app) as records:
        app.test_client().post("/orders/7")
        app.test_client().get("/healthz")
    assert [dict(record.vars) for record in records] == [{"user_id": 42, "total": 99.5}]
