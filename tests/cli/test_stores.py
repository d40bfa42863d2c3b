"""Commands and dashboard give the same results on ClickHouse and MongoDB as on SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest.app.state import get_state

from ..dashboard.shop import PAGES, fill, log_in, make_dashboard_app
from ..query.records import sample_records
from ..servers.clickhouse import ClickHouse
from ..servers.mongodb import MongoDB
from .shop import make_shop, run

pytestmark = pytest.mark.server

RANGE = ["--since", "2026-11-20", "--until", "2026-11-21"]


@pytest.fixture(scope="module", params=[ClickHouse, MongoDB])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param() as server:
        yield server


def chest_on(server: Any, place: str) -> dict[str, Any]:
    return {
        "url": server.url,
        "name": "beside",
        "collection" if isinstance(server, MongoDB) else "table": place,
    }


@pytest.fixture
def shop(server: Any, tmp_path: Path) -> Flask:
    """An app with the same records in two stores."""
    chests = ["sqlite:///chest.db", chest_on(server, "commands")]
    app = make_shop(tmp_path, CHEST_CHESTS=chests)
    for chest in get_state(app).chests:
        chest.write(sample_records(200))
        chest.close()
    return app


def both(app: Flask, *arguments: str) -> tuple[Any, Any]:
    """Return the output of a command for each of the two chests."""
    outputs = []
    for name in ("sqlite", "beside"):
        result = run(app, *arguments, "--chest", name)
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout.replace(name, "NAME"))
    return outputs[0], outputs[1]


def approximate(output: str) -> list[Any]:
    """Parse JSON with rounded numbers, since sums may differ in the last digits."""
    rounded = json.loads(output, parse_float=lambda text: float(f"{float(text):.9g}"))
    return [rounded] if isinstance(rounded, dict) else list(rounded)


def test_commands(shop: Flask) -> None:
    """Compares stats, tail, show and export, then forget and prune."""
    for options in (
        (),
        ("--by", "user_id", "--of", "balance"),
        ("--by", "mixed"),
        ("--by", "tags.version", "--where", "status>=400", "--where", "unique~value 1"),
    ):
        one, two = both(shop, "stats", *options, *RANGE, "--json")
        assert approximate(one) == approximate(two)
    for command in (
        ("tail", "--no-follow", "--lines", "20"),
        ("tail", "--no-follow", "--json", "--where", "status=404"),
        ("show", "request-77"),
        ("show", f"{39:032x}", "--json"),
        ("export",),
        ("export", "--format", "csv", "--column", "user_id", "--where", "route=/"),
        ("forget", "--where", "user_id=3", "--yes"),
        ("export", "--where", "user_id!=4"),
    ):
        one, two = both(shop, *command)
        assert one == two, command
        assert one
    assert both(shop, "prune", "--older-than", "1 minute", "--yes")[1].startswith("NAME: ")


def test_dashboard(server: Any, tmp_path: Path) -> None:
    """Every page works with each store."""
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=[chest_on(server, "dashboard")])
    fill(app, 300)
    client = app.test_client()
    log_in(client)
    for page in PAGES:
        answer = client.get(f"/chest{page}")
        assert answer.status_code == 200, page
        assert "cannot be read" not in answer.text
    assert "acme" in client.get("/chest/variable?name=tenant").text
    assert "req-7" in client.get("/chest/requests/req-7").text
