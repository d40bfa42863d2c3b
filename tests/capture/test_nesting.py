"""Requests within requests, apps within apps, other middlewares, contexts and threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    current_app,
    g,
    request,
    stream_with_context,
)
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, EnvironBuilder

from flask_chest import FlaskChest
from flask_chest.chests.memory import MemoryChest

from ..apps import SHARES_G, Site, put


def test_a_request_within_a_request(site: Site) -> None:
    """A view that sends a request to its own app leaves two records with their own variables."""

    @site.app.get("/inner")
    def inner() -> str:
        g.inner = 1
        return "inner"

    @site.app.get("/outer")
    def outer() -> str:
        g.outer = 1
        text = current_app.test_client().get("/inner").text
        g.after = request.path
        return text

    assert site.client.get("/outer").text == "inner"
    inner_record, outer_record = site.records
    assert (inner_record.route, inner_record.status) == ("/inner", 200)
    assert inner_record.vars["inner"] == 1
    assert outer_record.route == "/outer"
    assert outer_record.vars["outer"] == 1
    assert outer_record.vars["after"] == "/outer"
    assert inner_record.id != outer_record.id
    assert inner_record.request_id != outer_record.request_id


def test_a_client_that_keeps_the_context(site: Site) -> None:
    """``with client:`` leaves one record per request, although the contexts end later."""
    site.app.add_url_rule("/<int:n>", "view", lambda n: put("n", n, "ok"))
    with site.app.test_client() as client:
        client.get("/1")
        assert g.n == 1
        assert site.only().vars == {"n": 1}
        client.get("/2")
        assert [record.vars["n"] for record in site.records] == [1, 2]
    assert [record.vars["n"] for record in site.records] == [1, 2]
    assert {record.kind for record in site.records} == {"request"}


def test_a_stream_for_a_client_that_keeps_the_context(site: Site) -> None:
    """``with client:`` and a stream leave one record."""

    @site.app.get("/")
    def view() -> Response:
        return Response(stream_with_context(put("n", n, "x") for n in range(3)))

    with site.app.test_client() as client:
        assert client.get("/").text == "xxx"
    assert site.only().vars == {"n": 2}


def test_an_exception_for_a_client_that_keeps_the_context(site: Site) -> None:
    """``with client:`` and a view that raises leave one record."""

    @site.app.get("/")
    def view() -> str:
        g.n = 1
        raise LookupError

    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError), site.app.test_client() as client:
        client.get("/")
    assert site.only().vars == {"n": 1}


def test_a_client_within_an_app_context(site: Site) -> None:
    """Requests within an app context are requests, and that context leaves no job."""
    site.app.add_url_rule("/<int:n>", "view", lambda n: put(f"n{n}", n, "ok"))
    with site.app.app_context():
        site.client.get("/1")
        site.client.get("/2")
    assert [record.kind for record in site.records] == ["request", "request"]
    assert [record.vars[f"n{n}"] for n, record in enumerate(site.records, 1)] == [1, 2]


def make_other(folder: Path) -> tuple[Flask, MemoryChest]:
    app = Flask("other", instance_path=str(folder))
    app.config["CHEST_BUFFER"] = "none"
    app.add_url_rule("/", "home", lambda: put("other", 1, "other"))

    @app.get("/broken")
    def broken() -> str:
        g.other = 2
        raise LookupError

    store = MemoryChest()
    FlaskChest(app, chests=[store])
    return app, store


@pytest.mark.parametrize("chest_is_outside", [False, True])
def test_apps_below_a_dispatcher(tmp_path: Path, chest_is_outside: bool) -> None:
    """Each request is recorded by the app that served it, with the route of that app."""
    site = Site(tmp_path)
    other, store = make_other(tmp_path)
    site.app.add_url_rule("/", "home", lambda: put("main", 1, "main"))
    if chest_is_outside:
        mount(site.app, other)
    with site.recording():
        if not chest_is_outside:
            mount(site.app, other)
        visit_both(site, other, store)


def mount(app: Flask, other: Flask) -> None:
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/other": other})  # type: ignore[method-assign]


def visit_both(site: Site, other: Flask, store: MemoryChest) -> None:
    client = site.client
    assert client.get("/other/").text == "other"
    assert site.records == []
    [record] = store.records
    assert (record.route, record.vars) == ("/", {"other": 1})
    assert client.get("/").text == "main"
    assert site.only().vars == {"main": 1}
    other.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError):
        client.get("/other/broken")
    assert len(site.records) == 1
    assert [record.vars["other"] for record in store.records] == [1, 2]


def test_an_inner_error_of_another_request(site: Site) -> None:
    """An exception that leaves a nested request is the outer request's error as well."""

    @site.app.get("/inner")
    def inner() -> str:
        raise LookupError

    site.app.add_url_rule("/", "outer", lambda: site.app.test_client().get("/inner").text)
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError):
        site.app.test_client().get("/")
    assert [(each.route, each.error) for each in site.records] == [
        ("/inner", "LookupError"),
        ("/", "LookupError"),
    ]


class Shouting:
    """The middleware of another extension, which changes the body and adds a header."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("X-Loud", "yes")], *error)

        body = self.app(environ, start)
        try:
            return [b"".join(body).upper()]
        finally:
            if hasattr(body, "close"):
                body.close()


class Lazy(Shouting):
    """A middleware that is a generator: it calls the app when the server first reads the body."""

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        yield from super().__call__(environ, start_response)


@pytest.mark.parametrize("middleware", [Shouting, Lazy, ProxyFix])
@pytest.mark.parametrize("place", ["inside", "outside"])
def test_another_middleware(tmp_path: Path, middleware: Any, place: str) -> None:
    """Another extension that wraps ``wsgi_app`` before or after does not change the record."""
    site = Site(tmp_path)

    @site.app.get("/")
    def view() -> str:
        g.n = 1
        return "text"

    @site.app.get("/stream")
    def stream() -> Response:
        return Response(stream_with_context(put("n", n, "x") for n in range(3)))

    if place == "inside":
        site.app.wsgi_app = middleware(site.app.wsgi_app)  # type: ignore[method-assign]
    with site.recording():
        if place == "outside":
            site.app.wsgi_app = middleware(site.app.wsgi_app)  # type: ignore[method-assign]
        client = site.client
        response = client.get("/")
        assert response.text.lower() == "text"
        assert response.headers["X-Request-ID"]
        record = site.take()
        assert (record.kind, record.route, record.status, record.vars) == (
            ("request", "/", 200, {"n": 1})
        )
        assert client.get("/stream").text.lower() == "xxx"
        assert site.take().vars == {"n": 2}
        assert "not found" in client.get("/missing").text.lower()
        assert site.take().status == 404


def test_a_middleware_that_collects_a_stream(tmp_path: Path) -> None:
    """If a middleware collects a stream in a list, the server can measure it."""
    site = Site(tmp_path)

    @site.app.get("/")
    def stream() -> Response:
        return Response(stream_with_context(put("n", n, "x") for n in range(3)))

    site.app.wsgi_app = Shouting(site.app.wsgi_app)  # type: ignore[method-assign]
    with site.recording():
        body = site.app(EnvironBuilder().get_environ(), lambda *_: lambda _: None)
    assert body == [b"XXX"]
    record = site.only()
    assert (record.vars, record.bytes_sent) == ({"n": 2}, None)


def test_a_middleware_that_answers_itself(tmp_path: Path) -> None:
    """A request that never reaches the app leaves no record."""
    site = Site(tmp_path)

    def closed(environ: Any, start_response: Any) -> list[bytes]:
        start_response("503 Service Unavailable", [])
        return [b"closed"]

    site.app.wsgi_app = closed  # type: ignore[method-assign]
    with site.recording():
        assert site.client.get("/").status_code == 503
    assert site.records == []


def test_a_lazy_middleware_whose_client_leaves(tmp_path: Path) -> None:
    """A generator that is closed before it calls the app leaves no record and no error."""
    site = Site(tmp_path)
    site.app.wsgi_app = Lazy(site.app.wsgi_app)  # type: ignore[method-assign]
    with site.recording():
        body = site.app(EnvironBuilder().get_environ(), lambda *_: lambda _: None)
        body.close()  # type: ignore[attr-defined]
    assert site.records == []


def test_a_thread_with_the_requests_context(site: Site) -> None:
    """A thread with a copy of the request's context does not change the request's one record.

    The thread has a ``g`` of its own, so its values are those of a job.
    """

    @site.app.get("/")
    def view() -> str:
        g.n = 1
        seen = []

        @copy_current_request_context
        def work() -> None:
            seen.append(request.path)
            if request.args:
                g.work = 2

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return str(seen)

    assert site.client.get("/").text == "['/']"
    record = site.take()
    assert (record.kind, record.vars) == ("request", {"n": 1})
    site.client.get("/?more=1")
    assert [(record.kind, record.vars) for record in site.records] == [
        ("job", {"work": 2}),
        ("request", {"n": 1}),
    ]


def test_an_app_context_within_a_request(site: Site) -> None:
    """A context that a view pushes belongs to the request and leaves no job."""

    @site.app.get("/")
    def view() -> str:
        g.n = 1
        with site.app.app_context():
            g.inner = 2
        return "done"

    site.client.get("/")
    assert site.only().vars == {"n": 1}


def test_many_threads_at_once(site: Site) -> None:
    """Requests in several threads keep their variables apart."""
    site.app.add_url_rule("/<int:n>", "view", lambda n: put("n", n, str(n)))
    start = threading.Barrier(8)

    def visit(offset: int) -> None:
        own = site.app.test_client()
        start.wait()
        for n in range(offset, offset + 25):
            assert own.get(f"/{n}").text == str(n)

    threads = [threading.Thread(target=visit, args=(25 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.vars["n"] for record in site.records) == list(range(200))  # type: ignore[type-var]
    assert len({record.id for record in site.records}) == 200


def test_an_app_served_through_another_callable(site: Site) -> None:
    """An app that is called as a plain WSGI callable is recorded as well."""
    site.app.add_url_rule("/", "home", lambda: "home")
    assert Client(site.app.wsgi_app).get("/").text == "home"
    assert site.only().route == "/"


def test_a_request_within_a_view(site: Site) -> None:
    """A view that dispatches another request of its app is recorded, not that request."""
    dispatch: Any = site.app.full_dispatch_request
    site.app.add_url_rule("/inner", "inner", lambda: put("inner", 1, "inner"))

    @site.app.get("/outer")
    def outer() -> Any:
        g.outer = 1
        with site.app.test_request_context("/inner") as context:
            return dispatch(*(() if SHARES_G else (context,))).get_data()

    assert site.client.get("/outer").text == "inner"
    assert site.only().route == "/outer"
    assert site.only().vars == ({"outer": 1, "inner": 1} if SHARES_G else {"outer": 1})
