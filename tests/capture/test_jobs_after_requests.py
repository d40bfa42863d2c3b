"""Jobs that begin in a request, and jobs that make requests of their own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, g

from flask_chest import flask_chest
from flask_chest.chests.memory import MemoryChest

from ..apps import SHARES_G, Site, put


def kinds(site: Site) -> list[tuple[str, dict[str, Any]]]:
    return [(record.kind, dict(record.vars)) for record in site.records]


def start_with_a_copied_context(run: Callable[[], None]) -> Callable[[], None]:
    """Return a function that runs a job in a thread, in a copy of the current context."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=[run])

    def go() -> None:
        thread.start()
        thread.join()

    return go


@pytest.mark.parametrize("decorated", [False, True])
def test_a_job_with_a_copied_context(site: Site, decorated: bool) -> None:
    """A job that runs after its request leaves a record of its own."""
    later: list[Callable[[], None]] = []

    def job() -> None:
        with site.app.app_context():
            g.job = 1

    def view() -> str:
        g.seen = 1
        later.append(start_with_a_copied_context(job))
        return "done"

    chest = MemoryChest()
    site.app.add_url_rule("/", "view", flask_chest([chest])(view) if decorated else view)
    site.client.get("/")
    later[0]()
    assert kinds(site) == [("request", {"seen": 1}), ("job", {"job": 1})]
    assert site.store.records[-1].vars == {"job": 1}


def test_a_coroutine_on_another_loop(site: Site) -> None:
    """A coroutine that a view hands to another event loop leaves a record."""
    loop = asyncio.new_event_loop()
    answered = threading.Event()
    futures: list[Any] = []

    async def job() -> None:
        await asyncio.to_thread(answered.wait, 30)
        async_context = site.app.app_context()
        with async_context:
            g.job = 1

    @site.app.get("/")
    def view() -> str:
        futures.append(asyncio.run_coroutine_threadsafe(job(), loop))
        return "done"

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    site.client.get("/")
    answered.set()
    futures[0].result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert kinds(site) == [("request", {}), ("job", {"job": 1})]


def test_contexts_within_a_request(site: Site) -> None:
    """A context that begins and ends within a request is no job, whoever records the request."""

    def inner(name: str) -> None:
        with site.app.app_context():
            setattr(g, name, 1)

    def view() -> Any:
        inner("within")

        def generate() -> Any:
            inner("within_body")
            yield "done"

        return Response(generate())

    @site.app.after_request
    def after(response: Response) -> Response:
        inner("after")
        return response

    site.app.teardown_request(lambda _: inner("teardown"))
    site.app.add_url_rule("/", "view", view)
    site.app.add_url_rule("/own", "own", flask_chest([MemoryChest()])(lambda: put("a", 1, "x")))
    site.app.add_url_rule("/plain", "plain", lambda: put("a", 1, "x"))
    for path in ("/", "/own", "/plain"):
        assert site.client.get(path).text in ("done", "x")
    assert {record.kind for record in site.records} == {"request"}


@pytest.mark.parametrize("decorated", [False, True])
def test_values_after_an_internal_request(site: Site, decorated: bool) -> None:
    """A job that makes a request is recorded with its later values, whether they share ``g``."""
    view: Any = lambda: put("seen", 1, "done")  # noqa: E731
    site.app.add_url_rule("/", "view", flask_chest([MemoryChest()])(view) if decorated else view)
    client = site.client
    with site.app.app_context():
        g.early = 1
        client.get("/")
        g.late, g.seen = 2, 3
    with site.app.app_context():
        client.get("/")
    [(_, first), job, second] = kinds(site)
    if SHARES_G:
        assert first == {"early": 1, "seen": 1}
        assert job == ("job", {"late": 2, "seen": 3})
    else:
        assert first == {"seen": 1}
        assert job == ("job", {"early": 1, "late": 2, "seen": 3})
    assert second == ("request", {"seen": 1})


def test_a_client_that_keeps_the_context(site: Site) -> None:
    """Values that are put on a kept ``g`` after its request leave no job."""
    site.app.add_url_rule("/", "view", lambda: put("seen", 1, "done"))
    with site.app.test_client() as client:
        client.get("/")
        g.later = 1
    assert kinds(site) == [("request", {"seen": 1})]


def test_a_job_whose_request_ends_without_a_signal(make_site: Callable[..., Site]) -> None:
    """Values of a request that ends with ``SystemExit`` do not get into the job's record."""
    site = make_site(CHEST_RULES=[{"rule": "/secret", "record": False}])

    def end(name: str) -> Any:
        setattr(g, name, 1)
        raise SystemExit

    site.app.add_url_rule("/secret", "secret", lambda: end("secret"))
    site.app.add_url_rule("/open", "open", lambda: end("seen"))
    with site.app.app_context():
        for path in ("/open", "/secret"):
            with pytest.raises(SystemExit):
                site.client.get(path)
        g.job = 1
    assert [(record.kind, record.vars) for record in site.records] == [
        ("request", {"seen": 1}),
        ("job", {"job": 1}),
    ]
