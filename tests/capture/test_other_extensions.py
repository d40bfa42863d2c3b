"""Other extensions and servers that send signals or raise exceptions: what the records contain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, g
from flask.signals import got_request_exception
from sqlalchemy import ForeignKey, create_engine, event
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    relationship,
)
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ..apps import Site, facts


def send_exception_signal(app: Flask) -> None:
    """Send Flask's signal for exceptions that are answered, as Flask-RESTful and Flask-RESTX do."""

    @app.errorhandler(HTTPException)
    def answer(error: HTTPException) -> Any:
        got_request_exception.send(app, exception=error)
        return {"message": error.description}, error.code


@pytest.mark.parametrize("status", [404, 500])
def test_an_abort_with_an_exception_signal(site: Site, status: int) -> None:
    """``abort()`` is no error, even if an extension sends Flask's exception signal for it."""
    send_exception_signal(site.app)
    site.app.add_url_rule("/", "home", lambda: abort(status))
    assert site.client.get("/").status_code == status
    assert facts(site.only()) == ("GET", "/", "home", status, None)


def test_an_abort_that_comes_too_late(site: Site) -> None:
    """``abort(404)`` in ``after_request`` is an error: Flask answers 500."""
    site.app.add_url_rule("/", "home", lambda: "home")
    site.app.after_request(lambda response: abort(404))
    assert site.client.get("/").status_code == 500
    assert facts(site.only()) == ("GET", "/", "home", 500, "werkzeug.exceptions.NotFound")


def test_an_abort_within_a_stream(site: Site) -> None:
    """A stream that began with 200 and stops early is an error, whatever exception stopped it."""

    @site.app.get("/")
    def view() -> Response:
        def parts() -> Iterator[str]:
            yield "first"
            abort(404)

        return Response(parts())

    with pytest.raises(HTTPException):
        site.client.get("/", buffered=True)
    assert facts(site.only()) == ("GET", "/", "view", 200, "werkzeug.exceptions.NotFound")


class TakenOver(Response):
    """The response of Flask-Sock after a WebSocket was closed."""

    end: type[Exception]

    def __call__(self, *_: Any) -> Iterable[bytes]:
        raise self.end


@pytest.mark.parametrize("end", [StopIteration, ConnectionError])
def test_a_websocket(site: Site, end: type[Exception]) -> None:
    """The exception that tells a server that the connection is gone is no error."""

    @site.app.get("/socket")
    def socket() -> Response:
        g.messages = 3
        response = TakenOver()
        response.end = end
        return response

    with pytest.raises(end):
        site.client.get("/socket", headers={"Upgrade": "WebSocket"})
    record = site.take()
    assert facts(record) == ("GET", "/socket", "socket", 101, None)
    assert record.vars == {"messages": 3}
    with pytest.raises(end):
        site.client.get("/socket")
    assert facts(site.take()) == ("GET", "/socket", "socket", 500, end.__name__)


def test_a_websocket_below_the_app(tmp_path: Any) -> None:
    """A WebSocket that an inner middleware serves, such as Flask-SocketIO's, leaves no record."""
    site = Site(tmp_path)

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise StopIteration

    site.app.wsgi_app = serve  # type: ignore[method-assign]
    with site.recording(), pytest.raises(StopIteration):
        site.client.get("/socket.io/", headers={"Upgrade": "websocket"})
    assert site.records == []


@pytest.mark.parametrize("kind", [list, tuple])
def test_an_app_that_always_sends_the_same_headers(
    tmp_path: Any, kind: Callable[[Any], Any]
) -> None:
    """A request id is not sent with the next response; the app's own list is not changed."""
    site = Site(tmp_path)
    headers = kind([("Content-Type", "text/plain")])

    def healthy(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [b"healthy"]

    site.app.wsgi_app = DispatcherMiddleware(site.app.wsgi_app, {"/health": healthy})  # type: ignore[method-assign]
    with site.recording():
        first, second = (site.client.get("/health").headers["X-Request-ID"] for _ in range(2))
    assert first != second
    assert headers == kind([("Content-Type", "text/plain")])


class Base(MappedAsDataclass, DeclarativeBase):
    """A base of models that are dataclasses."""


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    orders: Mapped[list[Order]] = relationship(default_factory=list)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))


def test_a_row_is_not_queried(site: Site) -> None:
    """Only loaded fields of a dataclass model are recorded, without a database query."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as first:
        first.add(User(7, "ann", "x", [Order(1, 7)]))
        first.commit()
    session = Session(engine)
    asked: list[str] = []

    @site.app.get("/")
    def view() -> str:
        g.order = session.get(Order, 1)
        session.commit()  # which expires the loaded fields
        g.user = session.get(User, 7)
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
        return "done"

    site.client.get("/")
    assert site.only().vars == {
        "order": {},
        "user": {"id": 7, "name": "ann", "password_hash": "[REDACTED]"},
    }
    assert asked == []
    session.close()
    engine.dispose()
