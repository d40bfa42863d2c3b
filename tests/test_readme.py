"""README.rst says what is so."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest.chests.urls import SCHEMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text()


def find_blocks(language: str) -> list[str]:
    """The bodies of all ``code-block`` directives of a language, without their indentation."""
    bodies = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", README)
    return [re.sub(r"^    ", "", body, flags=re.MULTILINE).strip() for body in bodies]


def test_the_example_leaves_the_rows_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ten lines run as they are, and every stable value in the shown rows is true."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    exec(find_blocks("python")[0], names)
    app = names["app"]
    assert isinstance(app, Flask)
    assert app.test_client().post("/orders/7").text == "paid"
    assert app.extensions["chest"].flush(10)
    with closing(sqlite3.connect(tmp_path / "instance" / "chest.db")) as connection:
        (record,) = connection.execute("select method, route, status, vars from chest_records")
        variables = connection.execute("select name, value from chest_vars").fetchall()
    app.extensions["chest"].close()
    shown = [re.split(r" {2,}", line.strip()) for line in README.splitlines()]
    assert [str(value) for value in record] in [line[1:4] + line[5:] for line in shown]
    for name, value in variables:
        assert [name, str(value)] in [line[1:] for line in shown]


def test_every_store_that_is_named_is_there() -> None:
    """The table of stores names each that ``CHEST_CHESTS`` takes, but the one for tests."""
    named = set(re.findall(r"``([a-z+]+)://", README)) | {"memory"}
    assert named <= set(SCHEMES)
    assert {SCHEMES[scheme] for scheme in named} == set(SCHEMES.values())


def test_ci_runs_the_command_that_readers_are_given() -> None:
    """``.ci/run`` is the README's second command, nothing else."""
    command = find_blocks("shell")[1]
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()
