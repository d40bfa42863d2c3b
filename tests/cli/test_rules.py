"""``flask chest rules`` and ``explain``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from flask_chest import FlaskChest
from flask_chest.config.fact_names import FACTS

from .shop import cells, make_shop, run


def test_rules(tmp_path: Path) -> None:
    """One row per route and method: variables, chests, sample rate and rule."""
    app = make_shop(
        tmp_path,
        CHEST_CHESTS=["memory://", {"url": "memory://", "name": "second"}],
        CHEST_TRACKED_VARS=["user_id"],
        CHEST_RULES=[
            {"rule": "/orders/*", "methods": ["POST"], "track": ["order_id"], "sample": 0.5},
            {"endpoint": "fails", "record": False},
            {"rule": "/gone", "track": []},
            {"blueprint": "shop", "track": None, "chests": ["second"]},
        ],
    )
    lines = [cells(line) for line in run(app, "rules").stdout.splitlines()]
    assert lines[0] == ["method", "route", "tracks", "chests", "sample", "by"]
    rows = {(line[0], line[1]): line[2:] for line in lines[2:]}
    both = "memory, second"
    assert rows["GET", "/"] == ["user_id", both, "1.0", "(app)"]
    assert rows["GET", "/orders/<int:order_id>"] == ["user_id", both, "1.0", "(app)"]
    post = rows["POST", "/orders/<int:order_id>"]
    assert post == ["user_id, order_id", both, "0.5", "CHEST_RULES[0]"]
    assert rows["GET", "/fails"] == ["(not recorded)", both, "1.0", "CHEST_RULES[1]"]
    assert rows["GET", "/gone"] == ["(request only)", both, "1.0", "CHEST_RULES[2]"]
    assert rows["GET", "/shop/"] == ["all of g, user_id", "second", "1.0", "CHEST_RULES[3]"]
    assert len(rows) == len(lines) - 2, "no row is repeated"


def test_rules_that_match_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rules without a route are reported on standard error; the exit code is 0."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_RULES=[{"rule": "/ap", "track": []}]
    )
    result = run(app, "rules")
    assert result.exit_code == 0
    warning, _ = result.stderr.splitlines()
    assert warning == "CHEST_RULES[0] matches no route of the app: rule '/ap'"
    assert not caplog.records


def explained(result: Result) -> dict[str, str]:
    assert result.exit_code == 0
    pairs = (cells(line) for line in result.stdout.splitlines())
    return {pair[0]: pair[1] for pair in pairs}


def test_explain(tmp_path: Path) -> None:
    """Shows what a request would record."""
    rules = [{"rule": "/orders/*", "methods": ["POST"], "track": ["order_id"], "sample": 0.5}]
    app = make_shop(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_TRACKED_VARS=["user_id"], CHEST_RULES=rules
    )
    assert explained(run(app, "explain", "post", "/orders/7?page=2")) == {
        "route": "/orders/<int:order_id>",
        "endpoint": "order",
        "blueprint": "-",
        "recorded": "yes",
        "tracks": "user_id, order_id",
        "chests": "memory",
        "sample": "0.5",
        "by": "CHEST_RULES[0]",
    }
    assert explained(run(app, "explain", "GET", "/shop/"))["blueprint"] == "shop"


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/nowhere", "none: no route of the app matches"),
        ("DELETE", "/", "none: no route of the app matches"),
        (
            "GET",
            "/folder",
            "none: no route of the app matches, but the app redirects to http://localhost/folder/",
        ),
        (
            "GET",
            "/folder//",
            "none: no route of the app matches, but the app redirects to http://localhost/folder/",
        ),
        ("HEAD", "/", "/"),
    ],
)
def test_explain_without_a_route(tmp_path: Path, method: str, path: str, route: str) -> None:
    """404, 405 and redirects are shown as such; their requests are recorded, too."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"])
    found = explained(run(app, "explain", method, path))
    assert found["route"] == route
    assert found["recorded"] == "yes"


def test_explain_with_a_host(tmp_path: Path) -> None:
    """With host matching, the host of a full URL selects the route."""
    app = Flask(__name__, instance_path=str(tmp_path), host_matching=True, static_host="static")
    app.config["CHEST_CHESTS"] = ["memory://"]
    FlaskChest(app)
    app.add_url_rule("/", "api", lambda: "ok", host="api.test")
    app.add_url_rule("/", "www", lambda: "ok", host="www.test")
    assert explained(run(app, "explain", "GET", "http://api.test/"))["endpoint"] == "api"
    assert explained(run(app, "explain", "GET", "http://www.test/"))["endpoint"] == "www"


def test_facts(tmp_path: Path) -> None:
    """Both commands show the further facts that each route would record."""
    app = make_shop(
        tmp_path,
        CHEST_CHESTS=["memory://"],
        CHEST_FACTS=["user", "view_args", "query", "path", "cpu_ms", "thread"],
        CHEST_QUERY_NAMES=["page"],
        CHEST_RULES=[{"endpoint": "fails", "record": False}],
    )
    lines = [cells(line) for line in run(app, "rules").stdout.splitlines()]
    assert lines[0][-1] == "facts"
    rows = {(line[0], line[1]): line[-1] for line in lines[2:]}
    always = "user_id, query.page, cpu_ms"
    assert rows["GET", "/orders/<int:order_id>"] == f"order_id, {always}"
    assert rows["GET", "/"] == always
    listed = json.loads(run(app, "rules", "--json").stdout)
    assert {row["facts"] for row in listed if row["route"] == "/fails"} == {""}
    nowhere = explained(run(app, "explain", "GET", "/nowhere"))
    assert nowhere["facts"] == "user_id, query.page, path, cpu_ms"


def test_the_line_that_switches_facts_on(tmp_path: Path) -> None:
    """It is below the table of an app that records no further facts."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"])
    assert "app.config['CHEST_FACTS'] = 'all'" in run(app, "rules").stderr
    switched_on = make_shop(tmp_path, CHEST_CHESTS=["memory://"], CHEST_FACTS="all")
    assert "CHEST_FACTS" not in run(switched_on, "rules").stderr


@pytest.mark.parametrize("fact", FACTS)
def test_each_fact(tmp_path: Path, fact: str) -> None:
    """A route that would record a fact shows its variable; without facts there is no column."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_FACTS=[fact], CHEST_QUERY_NAMES=["page"]
    )
    listed = json.loads(run(app, "rules", "--json").stdout)
    [shown] = {row["facts"] for row in listed if row["route"] == "/orders/<int:order_id>"}
    # The last two are facts of requests without a route, and of jobs.
    special = {"view_args": "order_id", "user": "user_id", "query": "query.page"}
    assert shown == {**special, "path": "", "thread": ""}.get(fact, fact)
