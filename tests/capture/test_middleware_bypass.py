"""Requests that bypass the middleware: code saved ``wsgi_app`` earlier, as Connexion does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, request, stream_with_context
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client

from flask_chest import FlaskChest, flask_chest
from flask_chest.chests.memory import MemoryChest

from ..apps import Site, facts


@pytest.fixture
def bypassed(tmp_path: Path) -> Iterator[tuple[Site, Client]]:
    """A site, and a client of the ``wsgi_app`` from before ``FlaskChest`` wrapped it."""
    site = Site(tmp_path, PROPAGATE_EXCEPTIONS=False)
    client = Client(site.app.wsgi_app)

    @site.app.get("/")
    def view() -> str:
        g.n = int(request.args.get("n", 0))
        return str(4 // g.n)

    with site.recording():
        yield site, client


def test_each_request_has_its_record(bypassed: tuple[Site, Client]) -> None:
    """Each request leaves one record of a request, and none of a job."""
    site, client = bypassed
    site.app.add_url_rule("/none", "none", lambda: abort(404))
    answers = [client.get(path) for path in ("/?n=1", "/?n=2", "/?n=0", "/none", "/missing")]
    assert [facts(record) for record in site.records] == [
        ("GET", "/", "view", 200, None),
        ("GET", "/", "view", 200, None),
        ("GET", "/", "view", 500, "ZeroDivisionError"),
        ("GET", "/none", "none", 404, None),
        ("GET", None, None, 404, None),
    ]
    assert [record.vars for record in site.records] == [{"n": 1}, {"n": 2}, {"n": 0}, {}, {}]
    assert {record.kind for record in site.records} == {"request"}
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert [record.request_id for record in site.records] == ids
    assert site.store.records == site.records


def test_duration(bypassed: tuple[Site, Client]) -> None:
    """Only the first request has no duration: its start was not observed."""
    site, client = bypassed
    for _ in range(2):
        client.get("/?n=1")
    first, second = site.records
    assert first.duration_ms is None
    assert second.duration_ms is not None


def test_a_propagated_exception(bypassed: tuple[Site, Client]) -> None:
    """A propagated exception is the record's error, and reaches the caller."""
    site, client = bypassed
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ZeroDivisionError):
        client.get("/")
    assert facts(site.only()) == ("GET", "/", "view", 500, "ZeroDivisionError")


def test_an_end_without_a_signal(bypassed: tuple[Site, Client]) -> None:
    """A request that ends with ``SystemExit`` is recorded by the rules of its route."""
    site, client = bypassed

    @site.app.get("/end")
    @flask_chest(tracked_vars=["b"])
    def end() -> str:
        g.a, g.b = 1, 2
        raise SystemExit

    client.get("/?n=1")
    with pytest.raises(SystemExit):
        client.get("/end")
    record = site.records[-1]
    assert facts(record) == ("GET", "/end", "end", None, "SystemExit")
    assert record.vars == {"b": 2}


class RefusalError(Exception):
    """The exception that Connexion makes of ``abort()`` to answer it outside of Flask."""

    __module__ = "starlette.exceptions"

    def __init__(self, status_code: int | None) -> None:
        self.status_code = status_code


def test_an_abort_that_is_answered_outside(bypassed: tuple[Site, Client]) -> None:
    """An ``abort()`` that is answered outside of Flask is no error."""
    site, client = bypassed
    site.app.config["PROPAGATE_EXCEPTIONS"] = True

    @site.app.errorhandler(HTTPException)
    def pass_on(error: HTTPException) -> Any:
        raise RefusalError(error.code)

    with pytest.raises(RefusalError):
        client.get("/missing")
    assert facts(site.only()) == ("GET", None, None, 404, None)


def test_values_of_teardown_functions(bypassed: tuple[Site, Client]) -> None:
    """Values that other teardown functions put on ``g`` are recorded."""
    site, client = bypassed

    @site.app.teardown_request
    def end(_: BaseException | None) -> None:
        g.late = 1

    client.get("/?n=1")
    assert site.only().vars == {"n": 1, "late": 1}


def test_a_stream(bypassed: tuple[Site, Client]) -> None:
    """A stream leaves a record, and arrives complete."""
    site, client = bypassed

    @site.app.get("/stream")
    def stream() -> Response:
        g.kind = "stream"
        return Response(stream_with_context(iter("abc")))

    assert client.get("/stream").text == "abc"
    record = site.only()
    assert (record.route, record.status, record.vars) == ("/stream", 200, {"kind": "stream"})


def test_requests_with_and_without_the_middleware(bypassed: tuple[Site, Client]) -> None:
    """Requests that do pass through the middleware leave one record."""
    site, client = bypassed
    for _ in range(2):
        client.get("/?n=1")
        site.client.get("/?n=2")
    assert [record.vars["n"] for record in site.records] == [1, 2, 1, 2]


def test_a_decorated_view(bypassed: tuple[Site, Client]) -> None:
    """A decorator's settings apply, and only its own chests get the record."""
    site, client = bypassed
    store = MemoryChest()

    @flask_chest(tracked_vars=["b"])
    def here() -> str:
        g.a, g.b = 1, 2
        return "here"

    elsewhere = flask_chest([store], ["b"])(here)
    # Connexion registers a callable that hides the view.
    site.app.add_url_rule("/here", "here", lambda: here())
    site.app.add_url_rule("/elsewhere", "elsewhere", lambda: elsewhere())
    for path in ("/?n=1", "/here", "/elsewhere"):
        client.get(path)
    assert [record.route for record in site.store.records] == ["/", "/here"]
    assert [record.route for record in store.records] == ["/elsewhere"]
    assert site.store.records[1].vars == store.records[0].vars == {"b": 2}


def test_an_app_within(bypassed: tuple[Site, Client], tmp_path: Path) -> None:
    """An inner app that uses the same environment leaves a record of its own."""
    site, client = bypassed
    inner = Flask("inner", instance_path=str(tmp_path / "inner"), static_folder=None)
    inner.config["CHEST_BUFFER"] = "none"
    before, store = inner.wsgi_app, MemoryChest()
    FlaskChest(inner, chests=[store])

    @site.app.get("/forward")
    def forward() -> Any:
        return Response.from_app(before, request.environ)

    assert client.get("/forward").status_code == 404
    assert facts(site.only()) == ("GET", "/forward", "forward", 404, None)
    assert [facts(record) for record in store.records] == [("GET", None, None, 404, None)]


def test_a_state_that_cannot_be_created(
    bypassed: tuple[Site, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is answered even if its state cannot be created."""
    _, client = bypassed
    client.get("/?n=1")
    monkeypatch.setattr("flask_chest.capture.middleware_bypass.RequestState", None)
    assert client.get("/?n=2").text == "2"
