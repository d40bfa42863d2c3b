"""The status of a record is the status that the server has answered."""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as ClientRequest
from urllib.request import urlopen

import pytest
from flask import Flask, Response, g, stream_with_context
from werkzeug.serving import make_server

from ..apps import SHARES_G, Site, facts, wrap, wrapped_by


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an app with Werkzeug's server in a thread."""
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status_of(url: str, **headers: str) -> int:
    """Return the status of a GET."""
    try:
        with urlopen(ClientRequest(url, headers=headers), timeout=10) as answer:
            status: int = answer.status
            return status
    except HTTPError as error:
        with error:
            return error.code


def failing_stream(chunks: int) -> Any:
    """Return a view whose body raises after some chunks."""

    def generate() -> Iterator[str]:
        g.begun = True
        for _ in range(chunks):
            yield "x" * 10
        raise LookupError

    return lambda: Response(stream_with_context(generate()))


def add_views(app: Flask) -> None:
    for chunks in (0, 1):
        app.add_url_rule(f"/{chunks}", f"chunks-{chunks}", failing_stream(chunks))
    app.add_url_rule("/home", "home", lambda: "home")


@pytest.mark.parametrize(("chunks", "status"), [(0, 500), (1, 200)])
def test_a_stream_that_fails(site: Site, chunks: int, status: int) -> None:
    """A body that raises before its first byte is answered with 500; later it is too late."""
    add_views(site.app)
    with serving(site.app) as url:
        answered: Any = None
        try:
            answered = status_of(f"{url}/{chunks}")
        except OSError:
            answered = 200  # the connection ended within the body
    assert answered == status
    record = site.only()
    assert (record.status, record.error, record.vars) == (status, "LookupError", {"begun": True})


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_a_teardown_function_that_raises(site: Site, kind: type[BaseException]) -> None:
    """The server answers 500, since the app raises instead of returning its response."""
    add_views(site.app)

    @site.app.teardown_request
    def end(_: Any) -> None:
        raise kind

    # Flask 3.2 runs all teardown functions, and then raises a group of their errors.
    with pytest.raises(kind if SHARES_G else BaseException):
        site.client.get("/home")
    expected = 500 if kind is LookupError else None
    assert facts(site.only()) == ("GET", "/home", "home", expected, kind.__name__)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of exceptions came with 3.11")
def test_groups_of_exceptions(site: Site) -> None:
    """A group of one has the name of its exception, e.g. that of a task or a teardown function."""
    group: Any = vars(builtins)["ExceptionGroup"]
    for exceptions in ([LookupError()], [group("inner", [OSError()])], [LookupError(), OSError()]):
        view: Any = partial(throw, group("outer", exceptions))
        site.app.view_functions["view"] = view
        if len(site.records) == 0:
            site.app.add_url_rule("/", "view")
        with suppress(Exception):
            site.client.get("/")
    assert [each.error for each in site.records] == ["LookupError", "OSError", "ExceptionGroup"]


def throw(error: BaseException) -> None:
    raise error


def test_a_retry_that_succeeds(site: Site) -> None:
    """A middleware that calls the app again after an error leaves one record, without the error."""
    fails = [True, False]

    @site.app.get("/")
    def view() -> str:
        g.attempt = len(fails)
        if fails.pop(0):
            raise LookupError
        return "done"

    app = wrapped_by(site.app)

    def retry(environ: Any, start_response: Any) -> Any:
        try:
            return app(environ, start_response)
        except LookupError:
            return app(environ, start_response)

    wrap(site.app, retry)
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    assert site.app.test_client().get("/").text == "done"
    assert facts(site.only()) == ("GET", "/", "view", 200, None)
    assert site.only().vars == {"attempt": 1}


def test_a_middleware_that_uses_a_thread(site: Site) -> None:
    """A middleware that runs the app in a thread leaves one record for each request."""
    add_views(site.app)
    site.app.add_url_rule("/broken", "broken", lambda: str(1 // 0))
    app = wrapped_by(site.app)

    def in_thread(environ: Any, start_response: Any) -> Any:
        done: list[Any] = []

        def run() -> None:
            try:
                done.append(app(environ, start_response))
            except BaseException as error:
                done.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(done[0], BaseException):
            raise done[0]
        return done[0]

    wrap(site.app, in_thread)
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    client = site.app.test_client()
    for _ in range(2):
        assert client.get("/home").text == "home"
        with pytest.raises(ZeroDivisionError):
            client.get("/broken")
    assert [facts(record) for record in site.records] == [
        ("GET", "/home", "home", 200, None),
        ("GET", "/broken", "broken", 500, "ZeroDivisionError"),
    ] * 2


@pytest.mark.parametrize("kind", [ConnectionError, StopIteration])
def test_an_upgrade_on_an_ordinary_view(site: Site, kind: type[Exception]) -> None:
    """An ``Upgrade`` header alone does not make a failing view a WebSocket."""

    @site.app.get("/")
    def view() -> str:
        raise kind

    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(kind):
        site.app.test_client().get("/", headers={"Upgrade": "websocket"})
    assert facts(site.only()) == ("GET", "/", "view", 500, kind.__name__)


@pytest.mark.parametrize("chained", [False, True])
def test_an_inner_app_that_raises(site: Site, tmp_path: Any, chained: bool) -> None:
    """An outer app that catches the error of an inner one has its own record."""
    other = Site(tmp_path / "inner")
    other.app.config["PROPAGATE_EXCEPTIONS"] = True
    other.app.add_url_rule("/<path:path>", "broken", lambda path: str(1 // 0))
    site.app.add_url_rule("/caught", "caught", lambda: "caught")
    app = wrapped_by(site.app)

    def cascade(environ: Any, start_response: Any) -> Any:
        try:
            return other.app(environ, start_response)
        except ZeroDivisionError as error:
            if environ["PATH_INFO"] == "/caught":
                return app(environ, start_response)
            if chained:
                raise LookupError from error
            raise

    wrap(site.app, cascade)
    with other.recording():
        client = site.app.test_client()
        assert client.get("/caught").text == "caught"
        with pytest.raises(LookupError if chained else ZeroDivisionError):
            client.get("/passed-on")
        assert [record.error for record in other.records] == ["ZeroDivisionError"] * 2
    assert [facts(record) for record in site.records] == [("GET", "/caught", "caught", 200, None)]
