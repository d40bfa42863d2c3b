"""Objects of the app that raise when they are asked for something: the request is as without us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import run_wsgi_app

from flask_chest import flask_chest
from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest

from ..apps import Site, put, wrap, wrapped_by


class Body:
    """A body whose length, class or iterator cannot be asked for."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = False

    def __len__(self) -> int:
        raise self.error

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [NotImplementedError(), RuntimeError(), ValueError(), KeyError()])
def test_a_body_without_a_length(site: Site, error: Exception) -> None:
    """A body whose ``__len__`` raises is sent, closed and recorded."""
    body = Body(error)
    site.app.add_url_rule("/", "view", lambda: put("a", 1, Response(body)))  # type: ignore[arg-type]
    answer = site.client.get("/")
    assert answer.text == "onetwo"
    answer.close()
    assert body.closed
    record = site.only()
    assert (record.status, record.vars, record.bytes_sent) == (200, {"a": 1}, 6)


def test_a_response_that_answers_no_question(site: Site) -> None:
    """A response class whose properties raise is sent and recorded."""

    class Odd(Response):
        @property
        def is_streamed(self) -> bool:
            raise LookupError

    site.app.add_url_rule("/", "view", lambda: Odd(iter(["one"])))
    assert site.client.get("/").text == "one"
    assert (site.only().status, site.only().bytes_sent) == (200, 3)


class Classless(Body):
    """A body, returned by another middleware, whose class cannot be asked for."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise self.error


@pytest.mark.parametrize("kind", [Body, Classless])
def test_a_body_of_a_middleware(make_site: Callable[..., Site], kind: type[Body]) -> None:
    """Another middleware may return any body instead of the app's."""
    site = make_site()
    site.app.add_url_rule("/", "view", lambda: Response(iter(["x"])))
    body = kind(LookupError())
    inner = wrapped_by(site.app)

    def replace(environ: Any, start_response: Any) -> Any:
        list(inner(environ, start_response))
        return body

    wrap(site.app, replace)
    answer, status, _ = run_wsgi_app(site.app, site.app.test_request_context().request.environ)
    assert (b"".join(answer), status) == (b"onetwo", "200 OK")
    body.close()
    assert site.records


class Endless:
    """A body whose iterator cannot be made."""

    def __iter__(self) -> Iterator[bytes]:
        raise LookupError("from the app")


def test_a_body_that_cannot_be_read(site: Site) -> None:
    """The server gets the app's exception when it reads the body, and answers 500."""
    site.app.add_url_rule("/", "view", lambda: Response(Endless()))
    with pytest.raises(LookupError, match="from the app"):
        site.client.get("/")
    assert (site.only().status, site.only().error) == (500, "LookupError")


def call(app: Any, environ: dict[str, Any]) -> list[Any]:
    """Call a WSGI app, and return what it passes to ``start_response``."""
    got: list[Any] = []
    body = app(environ, lambda *arguments: got.extend(arguments))
    list(body)
    getattr(body, "close", lambda: None)()
    return got


ODD_HEADERS: list[Any] = [
    None,
    7,
    [("X-A", "b"), None],
    [("X-A", "b"), ()],
    [(b"X-A", "b")],
    [("X-A", "b", "c")],
    (("X-A", "b"),),
]


@pytest.mark.parametrize("headers", ODD_HEADERS)
@pytest.mark.parametrize("status", ["200 OK", None, 200, "fine"])
def test_odd_starts_of_a_response(site: Site, headers: Any, status: Any) -> None:
    """The server judges a wrong status and wrong headers; nothing is raised before."""

    def inner(environ: Any, start_response: Any) -> Any:
        start_response(status, headers)
        return []

    wrap(site.app, inner)
    [passed_status, passed] = call(site.app, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"})
    assert passed_status is status
    added = [] if passed is headers else passed[-1:]
    assert [name for name, _ in added] in ([], ["X-Request-ID"])
    if added:
        assert list(passed[:-1]) == list(headers)


def test_headers_from_an_iterator(site: Site) -> None:
    """Headers that can be read only once reach the server."""

    def inner(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", iter([("X-Request-ID", "x")]))
        return []

    wrap(site.app, inner)
    [_, passed] = call(site.app, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"})
    assert list(passed) == [("X-Request-ID", "x")]


def test_chunks_without_a_length(site: Site) -> None:
    """A stream may yield what is no bytes, and the server judges it."""

    def inner(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield None
        yield 7

    wrap(site.app, inner)
    app: Any = site.app
    assert list(app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)) == [None, 7]


def test_a_failing_delivery(make_site: Callable[..., Site], caplog: Any) -> None:
    """An exception of delivery, of whatever class, is logged and does not reach the request."""
    site = make_site(CHEST_BUFFER="memory")
    site.app.add_url_rule("/", "view", lambda: put("a", 1, "done"))
    site.app.add_url_rule("/stream", "stream", lambda: Response(iter(["done"])))

    def fail(line: bytes, mask: int) -> None:
        raise ZeroDivisionError

    get_state(site.app).sink.hand_over = fail
    assert site.client.get("/").text == site.client.get("/stream").text == "done"
    assert "hand over a record" in caplog.text


def test_a_decorated_view_with_an_odd_result(site: Site) -> None:
    """Whatever a decorated view returns, Flask judges it."""

    class Odd:
        @property
        def status_code(self) -> int:
            raise LookupError("asked")

    odd: Any = Odd()
    site.app.add_url_rule("/", "view", flask_chest([MemoryChest()])(lambda: odd))
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(TypeError, match="valid response"):
        site.app.test_client().get("/")


def test_an_environment_without_text(site: Site) -> None:
    """A failing request with an odd environment raises the app's own exception."""

    def inner(environ: Any, start_response: Any) -> Any:
        raise LookupError("from the app")

    wrap(site.app, inner)
    for upgrade in (None, 7):
        with pytest.raises(LookupError, match="from the app"):
            call(site.app, {"REQUEST_METHOD": "GET", "HTTP_UPGRADE": upgrade})


def test_it_was_fine_before(tmp_path: Any) -> None:
    """The odd bodies above are answered in the same way by an app that is not recorded."""
    app = Flask("plain", instance_path=str(tmp_path))
    app.add_url_rule("/", "view", lambda: Response(Body(ValueError())))
    assert app.test_client().get("/").text == "onetwo"
