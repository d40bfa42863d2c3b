"""Sampling keeps a fraction of the records; errors and slow requests are always kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import abort, g

from flask_chest.capture import sampling

from ..apps import Site, put

RARE = 1e-9


def test_a_sample_rate(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """The configured fraction is kept, and each record stores it as its sample rate."""
    monkeypatch.setattr(sampling, "_random", random.Random(7))
    site = make_site(CHEST_SAMPLE_RATE=0.25)
    site.app.add_url_rule("/", "home", lambda: put("n", 1, "home"))
    client = site.client
    for _ in range(200):
        client.get("/")
    same = random.Random(7)
    kept = sum(same.random() < 0.25 for _ in range(200))
    assert 40 <= kept <= 60
    assert len(site.records) == kept
    assert {record.sample_rate for record in site.records} == {0.25}


def test_a_seed_of_the_app(make_site: Callable[..., Site]) -> None:
    """Sampling neither uses nor changes the generator that the app may have seeded."""
    site = make_site(CHEST_SAMPLE_RATE=0.5)
    site.app.add_url_rule("/", "home", lambda: put("n", random.random(), "home"))
    client = site.client
    random.seed(7)
    for _ in range(20):
        client.get("/")
    drawn = random.random()
    random.seed(7)
    assert [random.random() for _ in range(21)][-1] == drawn


def test_the_sample_rate_of_a_rule(make_site: Callable[..., Site]) -> None:
    """A rule's sample rate applies to its route, the app's rate to all others."""
    site = make_site(CHEST_RULES=[{"rule": "/search", "sample": RARE}])
    for path in ("/", "/search"):
        site.app.add_url_rule(path, path, lambda: "found")
    client = site.client
    for _ in range(20):
        client.get("/search")
        client.get("/")
    assert {(record.route, record.sample_rate) for record in site.records} == {("/", 1.0)}
    assert len(site.records) == 20


@pytest.mark.parametrize(("status", "kept"), [(200, 0), (404, 0), (500, 1), (503, 1)])
def test_server_errors_are_kept(make_site: Callable[..., Site], status: int, kept: int) -> None:
    """A response with a status of 500 or more is always kept, with the sample rate 1."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)
    site.app.add_url_rule("/", "home", lambda: ("answer", status))
    site.client.get("/")
    assert [record.sample_rate for record in site.records] == [1.0] * kept


@pytest.mark.parametrize("propagate", [True, False])
def test_exceptions_are_kept(make_site: Callable[..., Site], propagate: bool) -> None:
    """A request that an exception ended is always kept."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)

    @site.app.get("/")
    def view() -> str:
        raise LookupError

    client = site.client
    site.app.config["PROPAGATE_EXCEPTIONS"] = propagate
    if propagate:
        with pytest.raises(LookupError):
            client.get("/")
    else:
        client.get("/")
    assert (site.only().error, site.only().sample_rate) == ("LookupError", 1.0)


@pytest.mark.parametrize(
    "config", [{"CHEST_SAMPLE_RATE": 0}, {"CHEST_RULES": [{"rule": "/*", "sample": 0}]}]
)
def test_a_sample_rate_of_zero(make_site: Callable[..., Site], config: Any) -> None:
    """A rate of 0 keeps only errors and slow requests, each with the sample rate 1."""
    site = make_site(CHEST_SLOW_MS=60_000, **config)
    site.app.add_url_rule("/<int:status>", "home", lambda status: ("answer", status))
    client = site.client
    for status in (200, 500, 200, 503):
        client.get(f"/{status}")
    assert [(each.status, each.sample_rate) for each in site.records] == [(500, 1.0), (503, 1.0)]


def test_an_abort_is_no_error(make_site: Callable[..., Site]) -> None:
    """A client error is sampled like any response."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)
    site.app.add_url_rule("/", "home", lambda: abort(404))
    site.client.get("/")
    assert site.records == []


@pytest.mark.parametrize(("slow_ms", "kept"), [(0.0, 1), (60_000, 0), (None, 0)])
def test_slow_requests_are_kept(
    make_site: Callable[..., Site], slow_ms: float | None, kept: int
) -> None:
    """A request that takes ``CHEST_SLOW_MS`` or more is always kept, with the sample rate 1."""
    site = make_site(CHEST_SAMPLE_RATE=RARE, CHEST_SLOW_MS=slow_ms)
    site.app.add_url_rule("/", "home", lambda: "home")
    site.client.get("/")
    assert [record.sample_rate for record in site.records] == [1.0] * kept


def test_jobs_are_kept(make_site: Callable[..., Site]) -> None:
    """Jobs and commands are not sampled, since there are few of them."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)
    with site.app.app_context():
        g.rows = 1
    assert site.only().sample_rate == 1.0
