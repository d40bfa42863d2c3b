"""Tests an app with both a Dockerflow and a FlaskChest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest, flask_chest
from flask_chest.dockerflow import Dockerflow
from flask_chest.testing import capture_records

from .conftest import Lines, summaries


@pytest.fixture
def app(chest_app: Flask) -> Flask:
    return chest_app


def test_one_request_id(both: Flask, lines: Lines) -> None:
    """Record, log, ``g`` and response header have the same id, generated or from the caller."""
    client = both.test_client()
    for headers in ({}, {"X-Request-ID": "given-1"}, {"X-Request-ID": "not usable\x07"}):
        with capture_records(both) as records:
            response = client.get("/orders/7", headers=headers)
        (record,) = records
        (fields,) = summaries(lines())
        assert record.request_id == fields["rid"] == response.headers["X-Request-ID"]
        assert (record.request_id == "given-1") == (headers == {"X-Request-ID": "given-1"})
        assert "request_id" not in record.vars


def test_a_generator_of_the_app(app: Flask, lines: Lines) -> None:
    """The log has the ids of FlaskChest's own generator."""
    FlaskChest(app, request_id_generator=lambda: "made-here")
    Dockerflow(app)
    assert app.test_client().get("/orders/7").headers["X-Request-ID"] == "made-here"
    assert summaries(lines())[0]["rid"] == "made-here"


def test_a_generator_of_the_view(app: Flask, lines: Lines) -> None:
    """The log has the ids of a decorator's generator, which is called once a request."""
    made: list[str] = []
    seen: list[str] = []

    def generate() -> str:
        made.append(f"made-{len(made)}")
        return made[-1]

    @app.get("/named")
    @flask_chest(request_id_generator=generate)
    def named() -> str:
        seen.append(g.request_id)
        return ""

    FlaskChest(app)
    Dockerflow(app)
    with capture_records(app) as records:
        response = app.test_client().get("/named", headers={"X-Request-ID": "given"})
    (fields,) = summaries(lines())
    ids = {records[0].request_id, fields["rid"], response.headers["X-Request-ID"], *seen, *made}
    assert ids == {"made-0"}


def test_tracked_variables(both: Flask, lines: Lines) -> None:
    """The summary has the tracked variables, redacted and flat; none overwrites a field."""
    both.test_client().get("/orders/7")
    (fields,) = summaries(lines())
    assert fields["user_id"] == 7
    assert fields["lines"] == '[{"sku":"a"}]'
    assert (fields["path"], fields["var_path"]) == ("/orders/7", "/secret")
    assert fields["password"] == "[REDACTED]"
    assert "request_id" not in fields


def test_tracked_variables_of_a_failing_request(both: Flask, lines: Lines) -> None:
    """The summary of a failing request has its variables too."""
    both.config["PROPAGATE_EXCEPTIONS"] = False
    both.test_client().get("/broken")
    (fields,) = summaries(lines())
    assert (fields["user_id"], fields["errno"]) == (8, 500)


def test_untracked_variables(app: Flask, lines: Lines) -> None:
    """The summary has neither untracked variables nor variables of a route without records."""
    app.config["CHEST_TRACKED_VARS"] = ["user_id"]
    app.config["CHEST_RULES"] = [{"rule": "/broken", "record": False}]
    app.config["PROPAGATE_EXCEPTIONS"] = False
    FlaskChest(app)
    Dockerflow(app)
    client = app.test_client()
    client.get("/orders/7")
    client.get("/broken")
    order, broken = summaries(lines())
    assert (order["user_id"], "lines" in order) == (7, False)
    assert "user_id" not in broken


@pytest.mark.usefixtures("lines")
def test_health_routes_are_silent(both: Flask) -> None:
    """Requests for the health routes are not recorded."""
    client = both.test_client()
    both.config["PROPAGATE_EXCEPTIONS"] = False
    with capture_records(both) as records:
        for path in ("/__version__", "/__heartbeat__", "/__lbheartbeat__", "/__error__"):
            client.get(path)
        client.get("/orders/7")
    assert [record.route for record in records] == ["/orders/<int:number>"]


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "/__heartbeat__", "record": True},
        {"endpoint": "dockerflow.*", "record": True},
        {"blueprint": "dockerflow", "record": True},
    ],
    ids=["rule", "glob", "blueprint"],
)
def test_rule_for_the_health_routes(app: Flask, rule: dict[str, Any]) -> None:
    """The app's own rule for the health routes overrides the default."""
    app.config["CHEST_RULES"] = [rule]
    FlaskChest(app)
    Dockerflow(app)
    with capture_records(app) as records:
        app.test_client().get("/__heartbeat__")
    assert [record.route for record in records] == ["/__heartbeat__"]


def test_version_tags(both: Flask, tmp_path: Path) -> None:
    """Every record has ``version`` and ``commit`` of ``version.json`` as tags."""
    (tmp_path / "version.json").write_text('{"version": "2", "commit": "abc", "build": "x"}')
    with capture_records(both) as records:
        both.test_client().get("/orders/7")
        both.test_client().get("/orders/7")
    assert [dict(record.tags) for record in records] == [{"version": "2", "commit": "abc"}] * 2


def test_version_tags_of_a_callback(app: Flask) -> None:
    """A version callback is used, and the app's own tags override its values."""
    app.config["CHEST_TAGS"] = {"commit": "mine"}
    FlaskChest(app)
    dockerflow = Dockerflow(app)
    dockerflow.version_callback(lambda root: {"version": "9", "commit": "theirs", "more": 1})
    with capture_records(app) as records:
        app.test_client().get("/orders/7")
    assert dict(records[0].tags) == {"version": "9", "commit": "mine"}


@pytest.mark.parametrize("content", ["[]", "{", '{"version": 7, "commit": ""}', None])
def test_no_version_tags(both: Flask, tmp_path: Path, content: str | None) -> None:
    """Without a version object, requests work and records have no version tags."""
    if content is not None:
        (tmp_path / "version.json").write_text(content)
    with capture_records(both) as records:
        assert both.test_client().get("/orders/7").status_code == 200
    assert dict(records[0].tags) == {}


def test_app_without_a_chest(app: Flask, lines: Lines, tmp_path: Path) -> None:
    """Without FlaskChest, there is no check of chests, and Dockerflow generates the ids."""
    FlaskChest(app)
    Dockerflow(app)
    other = Flask("other")
    Dockerflow(other)
    assert other.test_client().get("/__heartbeat__").json == {
        "status": "ok",
        "checks": {},
        "details": {},
    }
    other.test_client().get("/", headers={"X-Request-ID": "a b"})
    assert summaries(lines())[1]["rid"] == "a b"


def test_chest_disabled(app: Flask, lines: Lines) -> None:
    """With ``CHEST_ENABLED`` off, Dockerflow behaves as without FlaskChest."""
    app.config["CHEST_ENABLED"] = False
    FlaskChest(app)
    Dockerflow(app)
    app.test_client().get("/orders/7")
    assert app.test_client().get("/__heartbeat__").get_json()["checks"] == {}
    assert "user_id" not in summaries(lines())[0]


def test_structures_are_json(both: Flask, lines: Lines) -> None:
    """A list or dict is JSON in the summary."""
    both.test_client().get("/orders/7")
    assert json.loads(summaries(lines())[0]["lines"]) == [{"sku": "a"}]
