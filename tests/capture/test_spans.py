"""``chest.span``: in sync, async and generator code, and what bad use of it leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from flask import Response, g
from werkzeug.test import Client

from flask_chest import FlaskChest

from ..apps import Site, make_app


def spend(seconds: float) -> None:
    """Use time without sleeping."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def test_spans_of_one_name_are_added_up(site: Site) -> None:
    """As a context manager and as a decorator; the record has variables and the g of the view."""
    chest = site.chest

    @chest.span("price")
    def price(times: int) -> int:
        spend(0.002)
        return times

    @site.app.get("/")
    def view() -> str:
        g.user_id = 42
        with chest.span("render"):
            spend(0.001)
        return str(price(1) + price(2))

    assert site.client.get("/").text == "3"
    record = site.only()
    variables: Any = record.vars
    assert list(variables) == ["user_id", "span.render.ms", "span.price.count", "span.price.ms"]
    assert variables["span.price.count"] == 2
    assert 4 <= variables["span.price.ms"] <= record.duration_ms
    assert price.__name__ == "price"


def test_a_request_without_spans_has_the_fast_path(site: Site) -> None:
    """A span in one request changes no other request."""
    site.app.add_url_rule("/", "plain", lambda: "ok")
    site.client.get("/")
    site.take()
    [encoding] = site.chest.of(site.app).plans.known.values()
    assert encoding.fast_path_args is not None


def test_async_code(site: Site) -> None:
    """The whole of a coroutine counts, also while it waits; of a generator, its own steps."""
    chest = site.chest

    @chest.span("wait")
    async def wait() -> None:
        await asyncio.sleep(0)

    @chest.span("rows")
    async def rows() -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError:
            yield 2

    @site.app.get("/")
    async def view() -> str:
        await asyncio.gather(wait(), wait())
        generator: Any = rows()
        first = await generator.asend(None)
        second = await generator.athrow(ValueError())
        await generator.aclose()
        return f"{first}{second}"

    assert site.client.get("/").text == "12"
    variables = site.only().vars
    assert variables["span.wait.count"] == 2
    assert variables["span.rows.ms"] >= 0  # type: ignore[operator]


def test_a_generator_counts_its_own_time_only(site: Site) -> None:
    """Not the time of its reader; values, exceptions and the return value pass through."""
    chest = site.chest
    log: list[object] = []

    @chest.span("rows")
    def rows() -> Any:
        try:
            log.append((yield 1))
        except ValueError as error:
            log.append(error)
        try:
            yield 2
        finally:
            log.append("closed")
        return "returned"

    @site.app.get("/")
    def view() -> str:
        generator = rows()
        next(generator)
        spend(0.05)
        assert generator.throw(ValueError("x")) == 2
        with pytest.raises(StopIteration, match="returned"):
            next(generator)
        return "ok"

    assert site.client.get("/").status_code == 200
    assert [type(each) for each in log] == [ValueError, str]
    variables: Any = site.only().vars
    assert variables["span.rows.ms"] < 50
    assert "span.rows.count" not in variables


def test_a_streamed_body_that_is_never_finished(site: Site) -> None:
    """The client disconnects: the record has what the generator took until then."""
    chest = site.chest

    @chest.span("rows")
    def rows() -> Iterator[str]:
        for number in range(1000):
            spend(0.001)
            yield str(number)

    site.app.add_url_rule("/", "view", lambda: Response(rows()))
    response = site.client.get("/", buffered=False)
    iterator = iter(response.response)
    next(iterator)
    next(iterator)
    response.close()
    record = site.only()
    assert record.disconnected is True
    assert record.vars["span.rows.ms"] >= 2  # type: ignore[operator]


def test_a_span_that_is_left_open(site: Site) -> None:
    """It counts up to the record; its late end, in another request or none, changes nothing."""
    opened: list[Any] = []

    @site.app.get("/open")
    def open_() -> str:
        opened.append(site.chest.span("left").__enter__())
        spend(0.002)
        return "ok"

    @site.app.get("/close")
    def close() -> str:
        opened.pop().__exit__(None, None, None)
        return "ok"

    site.client.get("/open")
    assert site.take().vars["span.left.ms"] >= 2  # type: ignore[operator]
    site.client.get("/close")
    assert site.take().vars == {}


def test_one_span_object_that_is_entered_again(site: Site) -> None:
    """A recursive function, and a span kept in a global variable, count each time."""
    span = site.chest.span("again")

    @site.app.get("/")
    def view() -> str:
        with span, span:
            pass
        with pytest.raises(KeyError), span:
            raise KeyError
        return "ok"

    site.client.get("/")
    assert site.only().vars["span.again.count"] == 3


def test_threads(site: Site) -> None:
    """A thread with the request's context adds to its record, but not once it is written."""
    go = threading.Event()
    contexts: list[Any] = []

    def work() -> None:
        with site.chest.span("thread"):
            pass

    @site.app.get("/")
    def view() -> str:
        contexts.extend((copy_context(), copy_context()))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contexts[0].run, work).result()
        return "ok"

    site.client.get("/")

    def work_later() -> None:
        go.wait()
        work()

    thread = threading.Thread(target=contexts[1].run, args=(work_later,))
    thread.start()
    go.set()
    thread.join()
    assert list(site.only().vars) == ["span.thread.ms"]


def test_names(site: Site) -> None:
    """Odd names are cut and cleaned; too many different ones are added up; none is redacted."""

    @site.app.get("/odd")
    def odd() -> str:
        for name in ("\ud800", "x" * 500, 7, "auth token"):
            with site.chest.span(name):  # type: ignore[arg-type]
                pass
        return "ok"

    @site.app.get("/many")
    def many() -> str:
        for number in range(300):
            with site.chest.span(f"user {number}"):
                pass
        return "ok"

    site.client.get("/odd")
    variables = site.take().vars
    assert list(variables) == [
        "span.�.ms",
        f"span.{'x' * 100}.ms",
        "span.7.ms",
        "span.auth token.ms",
    ]
    assert type(variables["span.auth token.ms"]) is float
    site.client.get("/many")
    variables = site.take().vars
    assert variables["span.other.count"] == 300 - 196
    assert len(variables) == 196 + 2


def test_nested_apps(site: Site, tmp_path: Any) -> None:
    """A span belongs to the request of the app that serves it."""
    inner = make_app(tmp_path / "inner", name="inner", CHEST_CHESTS=["memory://"])

    @inner.get("/")
    def inner_view() -> str:
        with site.chest.span("inner"):
            return "ok"

    @site.app.get("/")
    def view() -> str:
        with site.chest.span("outer"):
            return inner.test_client().get("/").text

    assert site.client.get("/").text == "ok"
    assert list(site.only().vars) == ["span.outer.ms"]
    inner.extensions["chest"].close()


def test_a_request_that_bypasses_the_middleware(tmp_path: Path) -> None:
    """From the second such request on, its spans are recorded as well."""
    site = Site(tmp_path)
    saved = site.app.wsgi_app

    @site.app.get("/")
    def view() -> str:
        with site.chest.span("part"):
            return "ok"

    with site.recording():
        client = Client(saved)
        client.get("/")
        site.take()
        client.get("/")
        assert list(site.take().vars) == ["span.part.ms"]


def test_outside_of_requests(site: Site) -> None:
    """A span without a request, or of an extension that is switched off, does nothing."""
    with site.chest.span("nothing"), FlaskChest().span("nothing"):
        pass
    assert site.records == []
