"""``flask chest``: the list of commands, and errors that every command reports in the same way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup

from flask_chest.cli import chest as chest_group

from .shop import lines_of, make_shop, run


def test_the_group_is_found_by_flask(tmp_path: Path) -> None:
    """``flask chest`` exists in every app if Flask-Chest is installed."""
    app = make_shop(tmp_path)
    result = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["chest", "--help"])
    assert result.exit_code == 0
    for command in ("rules", "explain", "status", "tail"):
        assert re.search(rf"^  {command} +\S", result.output, re.MULTILINE)


def test_the_help_fits_a_terminal(tmp_path: Path) -> None:
    """In 80 columns, click shortens no command's description."""
    app = make_shop(tmp_path)
    result = app.test_cli_runner().invoke(chest_group, ["--help"], terminal_width=80)
    assert result.exit_code == 0
    assert "..." not in result.output.partition("Commands:")[2]


@pytest.mark.parametrize("command", [["rules"], ["explain", "GET", "/"], ["status"], ["tail"]])
def test_an_app_without_flask_chest(command: list[str]) -> None:
    """Every command names the missing extension."""
    result = run(Flask("bare"), *command)
    assert result.exit_code == 1
    assert result.output == "Error: the app 'bare' has no FlaskChest: call FlaskChest(app)\n"


@pytest.mark.parametrize("command", [["rules"], ["explain", "GET", "/"], ["status"], ["tail"]])
def test_recording_is_off(tmp_path: Path, command: list[str]) -> None:
    """Every command names the setting that turns recording off."""
    result = run(make_shop(tmp_path, CHEST_ENABLED=False), *command)
    assert result.exit_code == 1
    assert result.output == "Error: recording is off: CHEST_ENABLED is False\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "--where", "nonsense"], "is no filter"),
        (["stats", "--since", "soon"], "is no time"),
        (["stats", "--since", "2026-11-21", "--until", "2026-11-20"], "the range is empty"),
        (["stats", "--by", "vars"], "name one of them"),
        (["stats", "--of", "route"], "route is text"),
        (["stats", "--chest", "nowhere"], "there is no chest 'nowhere'; there are: sqlite"),
        (["show", "nowhere"], "has no record of 'nowhere'"),
        (["forget"], "name the person"),
        (["forget", "--where", "user_id>3"], "name the person"),
        (["forget", "--where", "user_id="], "name the person"),
        (["prune"], "name the age"),
        (["prune", "--older-than", "long"], "30 days"),
        (["export", "--where", "status=x"], "expected a number"),
    ],
)
def test_invalid_arguments(shop: Flask, arguments: list[str], message: str) -> None:
    """Invalid arguments are an error that names the expected value."""
    result = run(shop, *arguments)
    assert result.exit_code in {1, 2}
    assert message in result.output.replace("\n", " ")


@pytest.mark.parametrize("command", ["stats", "export", "tail --no-follow"])
def test_an_empty_store(tmp_path: Path, command: str) -> None:
    """Without records, commands succeed and print nothing."""
    result = run(make_shop(tmp_path), *command.split())
    assert result.exit_code == 0
    assert result.stdout in {"", "no such records\n"}


@pytest.mark.parametrize("command", ["stats", "export", "tail --no-follow", "show x"])
def test_a_corrupt_store(tmp_path: Path, command: str) -> None:
    """The error names the chest; there is no traceback."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    result = run(make_shop(tmp_path), *command.split())
    assert result.exit_code == 1
    assert "Error: chest 'sqlite' at" in result.output


@pytest.mark.parametrize("command", [["rules"], ["status"], ["explain", "GET", "/"]])
def test_json(shop: Flask, command: list[str]) -> None:
    """With --json, these commands print one JSON value."""
    [found] = lines_of(run(shop, *command, "--json"))
    if command == ["rules"]:
        assert {"method", "route", "tracks", "chests", "sample", "by"} == found[0].keys()
    elif command == ["status"]:
        assert found["chests"]["sqlite"]["health"] == "ok"
        assert found["chests"]["sqlite"]["pending"] == 0
    else:
        assert found["endpoint"] == "home"
