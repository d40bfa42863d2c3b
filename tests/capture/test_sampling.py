"""A share of the records is kept; errors and slow requests always are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import abort, g

from ..apps import Site, put

RARE = 1e-9


@pytest.fixture(autouse=True)
def _same_luck() -> Iterator[None]:
    state = random.getstate()
    random.seed(7)
    yield
    random.setstate(state)


def test_a_share(make_site: Callable[..., Site]) -> None:
    """About that share is kept, and each record says which share it stands for."""
    site = make_site(CHEST_SAMPLE_RATE=0.25)
    site.app.add_url_rule("/", "home", lambda: put("n", 1, "home"))
    client = site.client
    for _ in range(200):
        client.get("/")
    assert 30 < len(site.records) < 70
    assert {record.sample_rate for record in site.records} == {0.25}


def test_a_rule_says_the_share(make_site: Callable[..., Site]) -> None:
    """A rule's share is the route's, and the app's that of all others."""
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
    """An answer of 500 and above is always kept, with a rate of one."""
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
def test_none_but_what_is_always_kept(make_site: Callable[..., Site], config: Any) -> None:
    """A share of 0 leaves errors and slow requests alone, each of which counts as one."""
    site = make_site(CHEST_SLOW_MS=60_000, **config)
    site.app.add_url_rule("/<int:status>", "home", lambda status: ("answer", status))
    client = site.client
    for status in (200, 500, 200, 503):
        client.get(f"/{status}")
    assert [(each.status, each.sample_rate) for each in site.records] == [(500, 1.0), (503, 1.0)]


def test_an_abort_is_no_error(make_site: Callable[..., Site]) -> None:
    """What a visitor did wrong is sampled like any answer."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)
    site.app.add_url_rule("/", "home", lambda: abort(404))
    site.client.get("/")
    assert site.records == []


@pytest.mark.parametrize(("slow_ms", "kept"), [(0.0, 1), (60_000, 0), (None, 0)])
def test_slow_requests_are_kept(
    make_site: Callable[..., Site], slow_ms: float | None, kept: int
) -> None:
    """A request of that many milliseconds is always kept, with a rate of one."""
    site = make_site(CHEST_SAMPLE_RATE=RARE, CHEST_SLOW_MS=slow_ms)
    site.app.add_url_rule("/", "home", lambda: "home")
    site.client.get("/")
    assert [record.sample_rate for record in site.records] == [1.0] * kept


def test_jobs_are_kept(make_site: Callable[..., Site]) -> None:
    """Jobs and commands are few, and are not sampled."""
    site = make_site(CHEST_SAMPLE_RATE=RARE)
    with site.app.app_context():
        g.rows = 1
    assert site.only().sample_rate == 1.0
