"""What other extensions and servers do on their way, and what the record makes of it."""

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


def tell_of_every_exception(app: Flask) -> None:
    """As Flask-RESTful and Flask-RESTX do: the signal is sent for what they answer themselves."""

    @app.errorhandler(HTTPException)
    def answer(error: HTTPException) -> Any:
        got_request_exception.send(app, exception=error)
        return {"message": error.description}, error.code


@pytest.mark.parametrize("status", [404, 500])
def test_an_abort_that_is_told_of(site: Site, status: int) -> None:
    """``abort()`` is no error, also where an extension sends Flask's signal of exceptions."""
    tell_of_every_exception(site.app)
    site.app.add_url_rule("/", "home", lambda: abort(status))
    assert site.client.get("/").status_code == status
    assert facts(site.only()) == ("GET", "/", "home", status, None)


def test_an_abort_that_comes_too_late(site: Site) -> None:
    """Flask answers 500 to an ``abort(404)`` in ``after_request``: that is an error."""
    site.app.add_url_rule("/", "home", lambda: "home")
    site.app.after_request(lambda response: abort(404))
    assert site.client.get("/").status_code == 500
    assert facts(site.only()) == ("GET", "/", "home", 500, "werkzeug.exceptions.NotFound")


def test_an_abort_within_a_stream(site: Site) -> None:
    """What has begun with 200 and breaks off is an error, whatever broke it."""

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
    """What Flask-Sock answers with, once a WebSocket has been closed."""

    end: type[Exception]

    def __call__(self, *_: Any) -> Iterable[bytes]:
        raise self.end


@pytest.mark.parametrize("end", [StopIteration, ConnectionError])
def test_a_websocket(site: Site, end: type[Exception]) -> None:
    """What tells gunicorn, and Werkzeug's server, that the connection is gone is no error."""

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


def test_a_websocket_that_the_app_knows_nothing_of(tmp_path: Any) -> None:
    """One that a middleware within has served, Flask-SocketIO's say, leaves no record."""
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
    """The request id of one request is not sent with the next; the app's own list stays its own."""
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
    """Models that are dataclasses."""


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


def test_a_row_is_not_loaded_further(site: Site) -> None:
    """A model on ``g`` that is a dataclass shows what was loaded; the database is not asked."""
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
        session.commit()  # which forgets what was loaded
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
