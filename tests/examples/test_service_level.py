"""The service level example, with a server for InfluxDB's protocol and an HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from examples.service_level import configured, create_app, decorated, payload
from flask_chest import FlaskChestCustomWriter, FlaskChestInfluxDB
from tests.servers.http import HTTPRecorder
from tests.servers.victoriametrics import VictoriaMetrics

pytestmark = pytest.mark.server

AMOUNTS = [1.5, 2.0, 3.25, 10.0]


@pytest.fixture
def influx() -> Iterator[VictoriaMetrics]:
    with VictoriaMetrics() as server:
        yield server


@pytest.fixture
def endpoint() -> Iterator[HTTPRecorder]:
    with HTTPRecorder() as server:
        yield server


def chests(influx: VictoriaMetrics, endpoint: HTTPRecorder) -> list[Any]:
    return [
        FlaskChestInfluxDB(host="127.0.0.1", port=influx.port, custom_tags={"site": "one"}),
        FlaskChestCustomWriter(endpoint.url, payload_generator=payload),
    ]


def visit(app: Flask) -> None:
    client = app.test_client()
    for amount in AMOUNTS:
        assert client.post("/transactions", data={"amount": amount}).text == "done"
        assert client.get("/transactions").text == "done"


def values(influx: VictoriaMetrics, name: str) -> list[float]:
    return [value for series in influx.samples(name) for value in series["values"]]


def expect_the_same_in_both(influx: VictoriaMetrics, endpoint: HTTPRecorder) -> None:
    posts = [request.json for request in endpoint.requests]
    transactions = [each for post in posts for each in post["transactions"]]
    times = [each for post in posts for each in post["response_times"]]
    assert sorted(transactions) == sorted(AMOUNTS)
    assert len(times) == 2 * len(AMOUNTS)
    assert sum(values(influx, "flask_chest_transaction")) == sum(AMOUNTS)
    stored = values(influx, "flask_chest_response_time")
    assert len(stored) == len(times)
    assert sum(stored) / len(stored) == pytest.approx(sum(times) / len(times))


def test_decorated(influx: VictoriaMetrics, endpoint: HTTPRecorder) -> None:
    """With the decorator, each record is in both stores before the response."""
    visit(decorated(chests(influx, endpoint)))
    assert len(endpoint.requests) == 2 * len(AMOUNTS)
    expect_the_same_in_both(influx, endpoint)


def test_configured(influx: VictoriaMetrics, endpoint: HTTPRecorder, tmp_path: Path) -> None:
    """With configuration only, the same records are delivered in the background, in batches."""
    journal = str(tmp_path / "journal")
    app = configured(chests(influx, endpoint), CHEST_JOURNAL_DIR=journal)
    visit(app)
    chest = app.extensions["chest"]
    with app.app_context():
        assert chest.flush(timeout=60)
    expect_the_same_in_both(influx, endpoint)
    assert len(endpoint.requests) < 2 * len(AMOUNTS)
    chest.close()


def test_addresses_from_the_environment(
    influx: VictoriaMetrics,
    endpoint: HTTPRecorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """create_app() reads both addresses from the environment."""
    monkeypatch.setenv("INFLUXDB", f"influxdb://:token@127.0.0.1:{influx.port}/org/bucket")
    monkeypatch.setenv("ENDPOINT", endpoint.url)
    app = create_app(CHEST_JOURNAL_DIR=str(tmp_path))
    visit(app)
    chest = app.extensions["chest"]
    assert chest.flush(timeout=60)
    expect_the_same_in_both(influx, endpoint)
    chest.close()


def test_one_store_is_down(endpoint: HTTPRecorder) -> None:
    """With the decorator, the response fails if a store is down."""
    gone = FlaskChestInfluxDB(host="127.0.0.1", port=9)
    app = decorated([gone, FlaskChestCustomWriter(endpoint.url, payload_generator=payload)])
    assert app.test_client().get("/transactions").status_code == 500
