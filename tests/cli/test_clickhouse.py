"""The commands and the dashboard, on ClickHouse beside SQLite: both tell the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ..dashboard.shop import fill
from ..dashboard.shop import make_app as make_dashboard
from ..dashboard.test_access import log_in
from ..dashboard.test_pages import PAGES
from ..reading.records import many
from ..servers.clickhouse import ClickHouse
from .shop import make_app, run

pytestmark = pytest.mark.server

RANGE = ["--since", "2026-11-20", "--until", "2026-11-21"]


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouse]:
    with ClickHouse() as server:
        yield server


@pytest.fixture
def shop(server: ClickHouse, tmp_path: Path) -> Flask:
    """An app with the same records in two chests."""
    chests = ["sqlite:///chest.db", {"url": server.url, "table": "commands"}]
    app = make_app(tmp_path, CHEST_CHESTS=chests)
    for chest in app.extensions["chest.held"].chests:
        chest.write(many())
        chest.close()
    return app


def both(app: Flask, *arguments: str) -> tuple[Any, Any]:
    """What a command prints of either chest."""
    told = []
    for name in ("sqlite", "clickhouse"):
        result = run(app, *arguments, "--chest", name)
        assert result.exit_code == 0, result.output
        told.append(result.stdout.replace(name, "NAME"))
    return told[0], told[1]


def approximate(told: str) -> list[Any]:
    """Lines of JSON, in which sums may differ in the last place."""
    rounded = json.loads(told, parse_float=lambda text: float(f"{float(text):.9g}"))
    return [rounded] if isinstance(rounded, dict) else list(rounded)


def test_commands(shop: Flask) -> None:
    """Counts, sums, percentiles, single records, exports; then what is forgotten and pruned."""
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


def test_dashboard(server: ClickHouse, tmp_path: Path) -> None:
    """Every page is served from it."""
    app = make_dashboard(tmp_path, CHEST_CHESTS=[{"url": server.url, "table": "dashboard"}])
    fill(app)
    client = app.test_client()
    log_in(client)
    for page in PAGES:
        answer = client.get(f"/chest{page}")
        assert answer.status_code == 200, page
        assert "cannot be read" not in answer.text
    assert "acme" in client.get("/chest/variable?name=tenant").text
    assert "req-7" in client.get("/chest/requests/req-7").text
