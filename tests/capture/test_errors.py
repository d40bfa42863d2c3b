"""A request that ends with an exception leaves one record, and the app's exception is unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Request, g
from flask.sessions import SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from ..apps import SHARES_G, Site, facts


def test_an_exception(site: Site) -> None:
    """A view that raises leaves a record with its variables and the status 500."""
    add_broken(site.app)
    assert site.client.get("/broken").status_code == 500
    record = site.only()
    assert facts(record) == ("GET", "/broken", "broken", 500, "LookupError")
    assert record.vars == {"seen": "so far"}


@pytest.mark.parametrize("switch", ["PROPAGATE_EXCEPTIONS", "TESTING", "DEBUG"])
def test_a_propagated_exception(site: Site, switch: str) -> None:
    """An exception that Flask passes on to the server is recorded once, with the status 500."""
    add_broken(site.app)
    site.app.config[switch] = True
    with pytest.raises(LookupError, match="what nobody may store"):
        site.app.test_client().get("/broken")
    record = site.only()
    assert facts(record) == ("GET", "/broken", "broken", 500, "LookupError")
    assert record.vars == {"seen": "so far"}
    assert "what nobody" not in repr(record)


def add_broken(app: Flask) -> None:
    @app.get("/broken")
    def broken() -> str:
        g.seen = "so far"
        raise LookupError("what nobody may store")


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exception_that_ends_the_process(site: Site, kind: type[BaseException]) -> None:
    """``SystemExit`` and similar exceptions pass through, and the record has no status."""

    @site.app.get("/")
    def view() -> str:
        g.seen = "so far"
        raise kind

    with pytest.raises(kind):
        site.client.get("/")
    record = site.only()
    assert facts(record) == ("GET", "/", "view", None, kind.__name__)
    assert record.vars == {"seen": "so far"}


class TimeUpError(BaseException):
    """A timeout as gevent raises it in a request."""


ENDS = pytest.mark.parametrize("kind", [SystemExit, TimeUpError])


@ENDS
@pytest.mark.parametrize("place", ["view", "before_request", "after_request"])
def test_rules_hold_for_every_end(
    make_site: Callable[..., Site], kind: type[BaseException], place: str
) -> None:
    """The rules of a route also apply if no signal of Flask reports how the request ended."""
    rules = [{"rule": "/secret/*", "record": False}, {"rule": "/tracked/*", "track": ["b"]}]
    site = make_site(CHEST_RULES=rules, CHEST_TRACKED_VARS=[])

    def end(*_: Any, **__: Any) -> Any:
        g.a, g.b = 1, 2
        raise kind

    if place != "view":
        getattr(site.app, place)(end)
    for name in ("secret", "tracked"):
        view = end if place == "view" else lambda word: "page"
        site.app.add_url_rule(f"/{name}/<word>", name, view)
    for name in ("secret", "tracked"):
        with pytest.raises(kind):
            site.client.get(f"/{name}/x")
    record = site.only()
    assert facts(record) == ("GET", "/tracked/<word>", "tracked", None, record.error)
    assert record.vars == {"b": 2}


def test_rules_hold_if_the_session_cannot_be_opened(make_site: Callable[..., Site]) -> None:
    """Flask opens the session before it matches the URL, so an error there leaves no route."""
    site = make_site(CHEST_RULES=[{"rule": "/secret", "record": False}])

    class Broken(SessionInterface):
        def open_session(self, app: Flask, request: Request) -> Any:
            raise LookupError

    site.app.session_interface = Broken()
    for name in ("secret", "open"):
        site.app.add_url_rule(f"/{name}", name, lambda: "page")
        assert site.client.get(f"/{name}").status_code == 500
    assert facts(site.only()) == ("GET", "/open", "open", 500, "LookupError")


def test_an_end_on_a_route_that_cannot_be_found(site: Site) -> None:
    """If the route cannot be found, the record has no variables: a rule might forbid them."""

    class Once(BaseConverter):
        calls = 0

        def to_python(self, value: str) -> str:
            Once.calls += 1
            if Once.calls > 1:
                raise LookupError
            return value

    site.app.url_map.converters["once"] = Once

    @site.app.get("/<once:word>")
    def view(word: str) -> str:
        g.seen = word
        raise SystemExit

    with pytest.raises(SystemExit):
        site.client.get("/x")
    assert (site.only().route, site.only().vars, site.only().error) == (None, {}, "SystemExit")


def test_a_handled_exception(site: Site) -> None:
    """An exception that an error handler answers is recorded as that response."""

    @site.app.errorhandler(LookupError)
    def handle(error: LookupError) -> ResponseReturnValue:
        g.handled = True
        return "sorry", 409

    add_broken(site.app)
    assert site.client.get("/broken").status_code == 409
    record = site.only()
    assert facts(record) == ("GET", "/broken", "broken", 409, None)
    assert record.vars == {"seen": "so far", "handled": True}


def test_a_page_for_the_500(site: Site) -> None:
    """Values that the handler for 500 puts on ``g`` are recorded, with the exception's name."""

    @site.app.errorhandler(500)
    def handle(error: Exception) -> ResponseReturnValue:
        g.page = "sorry"
        return "sorry", 500

    add_broken(site.app)
    assert site.client.get("/broken").text == "sorry"
    record = site.only()
    assert (record.status, record.error) == (500, "LookupError")
    assert record.vars == {"seen": "so far", "page": "sorry"}


def test_a_broken_error_handler(site: Site) -> None:
    """If an error handler raises, the record names its exception."""

    @site.app.errorhandler(LookupError)
    def handle(error: LookupError) -> ResponseReturnValue:
        raise ZeroDivisionError

    add_broken(site.app)
    assert site.client.get("/broken").status_code == 500
    assert site.only().error == "ZeroDivisionError"


def test_an_exception_of_a_package(site: Site) -> None:
    """The name of an error contains its module."""

    class TroubleError(Exception):
        pass

    @site.app.get("/")
    def view() -> str:
        raise TroubleError

    site.client.get("/")
    error = "tests.capture.test_errors.test_an_exception_of_a_package.<locals>.TroubleError"
    assert site.only().error == error


@pytest.mark.parametrize("place", ["after_request", "teardown_request"])
def test_an_exception_after_the_view(site: Site, place: str) -> None:
    """An ``after_request`` function that raises leaves one record, with its error."""

    def finish(subject: Any) -> Any:
        raise LookupError

    getattr(site.app, place)(finish)

    @site.app.get("/")
    def view() -> str:
        g.seen = 1
        return "home"

    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    # Flask 3.2 raises the errors of teardown functions in groups.
    with pytest.raises(LookupError if SHARES_G else Exception):
        site.app.test_client().get("/")
    record = site.only()
    assert (record.route, record.error, record.vars) == ("/", "LookupError", {"seen": 1})


def test_a_store_that_fails_before_the_response(make_site: Callable[..., Site]) -> None:
    """Without a buffer a failing store fails the request, but does not hide the app's error."""
    from flask_chest.errors import DeliveryError

    site = make_site()
    add_broken(site.app)
    site.app.add_url_rule("/", "home", lambda: "home")

    def write(records: Any) -> None:
        raise DeliveryError("out of order")

    site.store.write = write  # type: ignore[method-assign]
    with pytest.raises(DeliveryError):
        site.client.get("/")
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError):
        site.app.test_client().get("/broken")


def test_a_propagated_exception_is_the_apps_own(site: Site) -> None:
    """The propagated exception is the app's object, without an exception of ours as context."""
    error = LookupError("mine")

    @site.app.get("/")
    def view() -> str:
        raise error

    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError) as caught:
        site.app.test_client().get("/")
    assert caught.value is error
    assert caught.traceback[-1].name == "view"
    assert (error.__cause__, error.__context__) == (None, None)
