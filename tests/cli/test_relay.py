"""Tests the arguments of ``flask chest relay``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.cli.relay import assign_unique_name, find_chests, relay
from tests.torture.app import make_torture_app


def invoke(folder: Path, *arguments: str) -> Result:
    app = make_torture_app(folder, CHEST_CHESTS=["memory://", "redis://127.0.0.1:1/0"])
    result = app.test_cli_runner().invoke(relay, arguments)
    extension: FlaskChest = app.extensions["chest"]
    extension.close()
    return result


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("sqlite:///x.db", "memory", "expected redis:// or rediss://"),
        ("redis", "redis", "SOURCE and TARGET are the same stream"),
        ("redis://127.0.0.1/0?steam=x", "memory", "did you mean 'stream'"),
        ("redis", "rediss", "TARGET: CHEST_CHESTS has no chest 'rediss'; it has 'memory', 'redis'"),
        ("redis", "mysq://h", "TARGET: unknown scheme 'mysq'; did you mean 'mysql'"),
    ],
)
def test_wrong_arguments(tmp_path: Path, source: str, target: str, message: str) -> None:
    """Wrong arguments end the command with a message."""
    result = invoke(tmp_path, source, target)
    assert result.exit_code != 0
    assert message in result.output


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("sqlite:///own.db", "own"),
        ("sqlite:///other.db", "sqlite-2"),
        ("sqlite:///chest.db", "sqlite"),
        ("memory://", "memory"),
        ("own", "own"),
    ],
)
def test_name_of_the_target(tmp_path: Path, target: str, name: str) -> None:
    """The target's name is unique in the app, so replay sends dead letters to the same target."""
    own = {"url": "sqlite:///own.db", "name": "own"}
    app = make_torture_app(
        tmp_path, CHEST_CHESTS=[own, "sqlite:///chest.db", "redis://127.0.0.1:1/0"]
    )
    state = get_state(app)
    _, store = find_chests(state, "redis", target)
    assign_unique_name(state, store)
    assert store.name == name
