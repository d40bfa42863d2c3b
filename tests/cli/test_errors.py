"""``flask chest errors``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from .shop import deliver, make_shop, run


@pytest.fixture
def failed(tmp_path: Path) -> Flask:
    """A shop in which some requests have failed."""
    app = make_shop(tmp_path, CHEST_ERRORS="traceback", CHEST_LOGS="warning")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/pay/<int:user>")
    def pay(user: int) -> str:
        g.user_id = user
        app.logger.warning("bank\x1b[31m is slow")
        raise ValueError(f"declined\nfor {user}")

    @app.get("/later")
    def later() -> str:
        app.extensions["chest"].note_error(OSError("queued"))
        return "ok"

    client = app.test_client()
    for path in ("/pay/1", "/pay/2", "/pay/2", "/fails", "/later", "/"):
        client.get(path)
    deliver(app)
    return app


def groups_of(app: Flask, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(app, "errors", "--json", *arguments).stdout)[
        "groups"
    ]
    return found


def test_groups(failed: Flask) -> None:
    """Each error is one line, the latest first, with its count and its users."""
    lines = run(failed, "errors").stdout.splitlines()[2:]
    assert [re.split(" {2,}", line)[1:4] for line in lines] == [
        ["OSError (handled)", "1", "0"],
        ["LookupError", "1", "0"],
        ["ValueError", "3", "2"],
    ]
    assert "\x1b" not in run(failed, "errors").stdout


def test_one_error_whole(failed: Flask) -> None:
    """The traceback and the log lines of an error, line by line, without control characters."""
    key = groups_of(failed, "--where", "route~pay")[0]["group"]
    text = run(failed, "errors", key[:6]).stdout
    assert "Traceback (most recent call last):\n" in text
    assert "\nValueError: declined\nfor 2\n" in text
    assert "WARNING" in text
    assert "bank" in text
    assert "\x1b" not in text
    [found] = groups_of(failed, key)
    assert (found["count"], found["users"], found["message"]) == (3, 2, "declined\nfor 2")
    assert found["stacktrace"].startswith("Traceback")


def test_no_such_error(failed: Flask) -> None:
    """An unknown or ambiguous key is an error, and an empty range has none."""
    result = run(failed, "errors", "zz")
    assert (result.exit_code, "there is no error 'zz'" in result.stderr) == (1, True)
    assert "3 errors begin with ''" in run(failed, "errors", "").stderr
    assert run(failed, "errors", "--until", "1 day").stdout == "no errors\n"


def test_limit(failed: Flask) -> None:
    """More groups than the limit are mentioned."""
    result = run(failed, "errors", "--limit", "1")
    assert len(result.stdout.splitlines()) == 3
    assert "2 more groups" in result.stderr


def test_a_large_range(failed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is searched from its end, and the command says so."""
    module = "flask_chest.operations.error_search"
    monkeypatch.setattr(f"{module}._MAX_SEARCHED", 2)
    monkeypatch.setattr(f"{module}._MAX_SEARCHED_VARS", 1)
    result = run(failed, "errors")
    assert result.stderr.count("UTC only") == 2
    monkeypatch.setattr(f"{module}._MAX_SEARCHED", 1000)
    monkeypatch.setattr(f"{module}._MAX_RECORDS", 2)
    monkeypatch.setattr(f"{module}._PAGE", 1)
    assert [each["count"] for each in groups_of(failed)] == [1, 1, 1]
