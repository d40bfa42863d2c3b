"""Clocks that a test library has replaced: nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from flask import g

from ..apps import Site, put, wrapped_by

NOON = 1_700_000_000_123_456_789


@pytest.fixture(params=["request", "fallback", "job"])
def record(request: Any, make_site: Callable[..., Site]) -> Callable[[], Any]:
    """Return a function that makes a record and returns it."""
    site = make_site()
    before = wrapped_by(site.app)
    site.app.add_url_rule("/", "view", lambda: put("a", 1, "done"))

    def make() -> Any:
        if request.param == "job":
            with site.app.app_context():
                g.a = 1
        else:
            if request.param == "fallback":
                site.app.wsgi_app = before  # type: ignore[method-assign]
            assert site.client.get("/").text == "done"
        return site.take()

    return make


@pytest.mark.parametrize("kind", [float, Decimal, int])
def test_a_clock_that_is_frozen_to_another_type(
    record: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``hiro`` freezes ``time.time_ns()`` to a float."""
    monkeypatch.setattr(time, "time_ns", lambda: kind(NOON))
    monkeypatch.setattr(time, "perf_counter", lambda: kind(7))
    made = record()
    assert made.vars == {"a": 1}
    assert abs(made.time - datetime.fromtimestamp(NOON / 1e9, timezone.utc)).total_seconds() < 1e-3
    assert made.duration_ms in (0, None)


def test_a_time_before_1970(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test may freeze the clock long ago, or in the far future."""
    for year in (1950, 9999):
        moment = datetime(year, 1, 2, tzinfo=timezone.utc)
        seconds = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()
        monkeypatch.setattr(time, "time_ns", lambda seconds=seconds: int(seconds) * 10**9)
        made = record()
        assert (made.time.year, made.vars) == (year, {"a": 1})
        assert len(made.id) == 32


def test_a_clock_that_goes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is frozen within a request may be behind; no duration is below zero."""

    @site.app.get("/")
    def view() -> str:
        monkeypatch.setattr(time, "perf_counter", lambda: -5.0)
        return "done"

    site.client.get("/")
    assert site.only().duration_ms == 0


def test_a_broken_clock(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that raises does not disturb the request."""
    site.app.add_url_rule("/", "view", lambda: "done")

    def fail() -> int:
        raise LookupError

    monkeypatch.setattr(time, "time_ns", fail)
    assert site.client.get("/").text == "done"
