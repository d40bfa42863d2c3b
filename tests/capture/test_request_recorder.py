"""Each kind of request leaves exactly one record, with the values that its view put on ``g``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort, g, redirect, request
from flask.views import MethodView
from werkzeug.routing import Rule

from flask_chest import FlaskChest, flask_chest
from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest

from ..apps import Site, facts, put


def test_a_plain_view(site: Site) -> None:
    """The record has the fields of the request, and the variables in the order of the view."""

    @site.app.post("/orders/<int:order_id>")
    def pay(order_id: int) -> str:
        g.user_id = 42
        g.total = 99.5
        return "paid"

    assert site.client.post("/orders/7").text == "paid"
    record = site.only()
    assert facts(record) == ("POST", "/orders/<int:order_id>", "pay", 200, None)
    assert list(record.vars.items()) == [("user_id", 42), ("total", 99.5)]
    assert (record.kind, record.blueprint, record.sample_rate) == ("request", None, 1.0)
    assert record.bytes_sent is None
    assert record.disconnected is None
    assert record.duration_ms is not None
    assert record.duration_ms > 0


def test_an_async_view(site: Site) -> None:
    """Values that an ``async def`` view and its tasks put on ``g`` are recorded."""

    @site.app.get("/")
    async def view() -> str:
        g.before = 1

        async def part() -> None:
            await asyncio.sleep(0)
            g.inside = 2

        await asyncio.gather(part())
        g.after = 3
        return "done"

    assert site.client.get("/").text == "done"
    assert site.only().vars == {"before": 1, "inside": 2, "after": 3}


def test_a_method_view(site: Site) -> None:
    """Each method of a ``MethodView`` is recorded under its own method."""

    class Item(MethodView):
        def get(self) -> str:
            g.read = True
            return "item"

        async def post(self) -> str:
            g.written = True
            return "item"

    site.app.add_url_rule("/item", view_func=Item.as_view("item"))
    site.client.get("/item")
    assert (site.records[0].method, site.records[0].vars) == ("GET", {"read": True})
    site.client.post("/item")
    assert (site.records[1].method, site.records[1].vars) == ("POST", {"written": True})
    assert len(site.records) == 2


def test_not_found(site: Site) -> None:
    """A path without a route leaves a record without a route, whatever the client sent."""
    assert site.client.get("/wp-login.php").status_code == 404
    assert facts(site.only()) == ("GET", None, None, 404, None)


def test_method_not_allowed(site: Site) -> None:
    """A method that the route does not accept leaves a record without a route."""
    site.app.add_url_rule("/", view_func=lambda: "home")
    assert site.client.delete("/").status_code == 405
    assert facts(site.only()) == ("DELETE", None, None, 405, None)


def test_a_made_up_method(site: Site) -> None:
    """A method that HTTP does not define is not stored."""
    site.app.add_url_rule("/", view_func=lambda: "home")
    assert site.client.open("/", method="X" * 5000).status_code == 405
    assert site.only().method == "_OTHER"


@pytest.mark.parametrize("decorate", [lambda view: view, flask_chest(tracked_vars=["n"])])
def test_a_route_for_any_method(site: Site, decorate: Any) -> None:
    """If a rule accepts any method, unknown methods are neither stored nor cached."""
    site.app.url_map.add(Rule("/any", endpoint="any"))
    site.app.view_functions["any"] = decorate(lambda: put("n", 1, "any"))
    for method in ("X" * 5000, "Y" * 5000, "DELETE"):
        assert site.client.open("/any", method=method).status_code == 200
    assert [(each.route, each.method) for each in site.records] == [
        ("/any", "_OTHER"),
        ("/any", "_OTHER"),
        ("/any", "DELETE"),
    ]
    plans = get_state(site.app).plans
    assert not [route for route in plans.known if route and "X" in route[2]]
    assert not [key for key in plans._overridden if "X" in key[0].method]


def test_an_unusual_method_of_the_app(site: Site) -> None:
    """An unusual method that the app itself declares is stored."""
    site.app.add_url_rule("/", view_func=lambda: "found", methods=["PROPFIND"])
    assert site.client.open("/", method="PROPFIND").status_code == 200
    assert site.only().method == "PROPFIND"


def test_a_response_before_the_view(site: Site) -> None:
    """A ``before_request`` function that answers leaves a record with its ``g`` and the route."""

    @site.app.before_request
    def guard() -> None:
        g.refused = request.path
        abort(403)

    site.app.add_url_rule("/private", "private", lambda: "never")
    assert site.client.get("/private").status_code == 403
    record = site.only()
    assert facts(record) == ("GET", "/private", "private", 403, None)
    assert record.vars == {"refused": "/private"}


def test_an_exception_before_the_view(site: Site) -> None:
    """A ``before_request`` function that raises leaves a record with the route."""

    @site.app.before_request
    def guard() -> None:
        g.seen = 1
        raise LookupError

    site.app.add_url_rule("/private", "private", lambda: "never")
    assert site.client.get("/private").status_code == 500
    assert facts(site.only()) == ("GET", "/private", "private", 500, "LookupError")


@pytest.mark.parametrize("place", ["after_request", "teardown_request", "teardown_appcontext"])
def test_functions_after_the_view(site: Site, place: str) -> None:
    """Values that functions after the view put on ``g`` are recorded."""

    def finish(subject: Any) -> Any:
        g.late = place
        return subject

    getattr(site.app, place)(finish)
    site.app.add_url_rule("/", view_func=lambda: "home")
    site.client.get("/")
    assert site.only().vars == {"late": place}


def test_a_redirect(site: Site) -> None:
    """A redirect and its target are two requests."""
    site.app.add_url_rule("/old", "old", lambda: redirect("/new", 302))
    site.app.add_url_rule("/new", "new", lambda: "new")
    site.client.get("/old", follow_redirects=True)
    assert [(each.route, each.status) for each in site.records] == [("/old", 302), ("/new", 200)]


def test_a_redirect_by_the_url_map(site: Site) -> None:
    """The router's redirect for a missing slash leaves one record."""
    site.app.add_url_rule("/folder/", "folder", lambda: "folder")
    assert site.client.get("/folder").status_code == 308
    assert facts(site.only()) == ("GET", None, None, 308, None)


def test_head_and_options(site: Site) -> None:
    """HEAD is recorded as HEAD; an OPTIONS that Flask answers leaves one record."""

    @site.app.get("/")
    def view() -> str:
        g.seen = request.method
        return "home"

    assert site.client.head("/").data == b""
    record = site.take()
    assert (facts(record), record.vars) == (("HEAD", "/", "view", 200, None), {"seen": "HEAD"})
    assert site.client.options("/").headers["Allow"]
    record = site.take()
    assert (facts(record), record.vars) == (("OPTIONS", "/", "view", 200, None), {})


def test_a_status_without_a_number(site: Site) -> None:
    """A status line without a number, which Werkzeug allows, does not break the request."""

    @site.app.get("/")
    def view() -> Any:
        return "body", "just words"

    assert site.client.get("/").data == b"body"
    assert site.only().status is None


def test_a_blueprint(site: Site) -> None:
    """A record contains its blueprint's full name."""
    from flask import Blueprint

    shop, admin = Blueprint("shop", __name__), Blueprint("admin", __name__)
    admin.add_url_rule("/stock", "stock", lambda: "stock")
    shop.register_blueprint(admin, url_prefix="/admin")
    site.app.register_blueprint(shop, url_prefix="/shop")
    site.client.get("/shop/admin/stock")
    record = site.only()
    assert (record.route, record.endpoint) == ("/shop/admin/stock", "shop.admin.stock")
    assert record.blueprint == "shop.admin"


def test_without_a_record(make_site: Callable[..., Site]) -> None:
    """A route with ``record: False`` leaves no record."""
    site = make_site(CHEST_RULES=[{"rule": "/healthz", "record": False}])
    site.app.add_url_rule("/healthz", "health", lambda: put("seen", 1, "well"))
    assert site.client.get("/healthz").text == "well"
    with site.app.test_client() as client:
        client.get("/healthz")
    assert site.records == site.store.records == []


def test_delivery_in_the_background(make_site: Callable[..., Site]) -> None:
    """With a buffer each request is stored exactly once after a flush."""
    site = make_site(CHEST_BUFFER="memory")
    site.app.add_url_rule("/<int:number>", "view", lambda number: put("n", number, "ok"))
    for number in range(50):
        site.client.get(f"/{number}")
    assert site.chest.flush(60)
    assert [record.vars["n"] for record in site.store.records] == list(range(50))
    assert site.store.records == site.records


@pytest.mark.parametrize("kind", ["slots", "dict"])
def test_a_custom_g_class(make_site: Callable[..., Site], kind: str) -> None:
    """An ``app_ctx_globals_class`` without ``__dict__`` or without a hash is recorded too."""
    site = make_site()
    site.app.app_ctx_globals_class = {"slots": SlottedG, "dict": DictG}[kind]  # type: ignore[assignment]

    @site.app.get("/")
    def view() -> str:
        g.user_id = 42
        return "home"

    assert site.client.get("/").text == "home"
    assert site.take().vars == {"user_id": 42}
    if kind == "dict":
        with site.app.test_client() as client:
            assert client.get("/").text == "home"
        assert site.take().kind == "request"


class SlottedG:
    __slots__ = ("user_id",)

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)

    def __iter__(self) -> Any:
        return (name for name in self.__slots__ if hasattr(self, name))


class DictG(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def test_two_apps(site: Site, tmp_path: Any) -> None:
    """Two apps in one process each record their own requests only."""
    other = Flask("other", instance_path=str(tmp_path))
    other.config["CHEST_BUFFER"] = "none"
    store = MemoryChest()
    FlaskChest(other, chests=[store])
    for app in (site.app, other):
        app.add_url_rule("/", "home", lambda: "home")
    other.test_client().get("/")
    assert site.records == []
    assert len(store.records) == 1
    site.client.get("/")
    assert len(site.records) == len(store.records) == 1
