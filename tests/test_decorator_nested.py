"""A decorated view that calls other decorated views: the view that the route names decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, g
from flask.views import MethodView

from flask_chest import flask_chest
from flask_chest.app.state import STANDALONE_KEY
from flask_chest.chests.memory import MemoryChest

from .apps import Site
from .test_decorator import put_three, without_wraps


def variables(site: Site, *paths: str) -> list[Any]:
    """Return the recorded variables of one GET of each path."""
    for path in paths:
        site.client.get(path)
    found = [dict(record.vars) for record in site.records]
    site.records.clear()
    return found


def test_a_view_that_calls_another(site: Site) -> None:
    """The inner decorator does not change this request or later ones."""
    inner = flask_chest(tracked_vars=["b"])(put_three)

    @flask_chest(tracked_vars=["a"])
    def outer(call: int) -> str:
        return inner() if call else put_three()

    site.app.add_url_rule("/inner", "inner", inner)
    site.app.add_url_rule("/<int:call>", "outer", outer)
    found = variables(site, "/0", "/1", "/0", "/inner", "/1")
    assert found == [{"a": 1}, {"a": 1}, {"a": 1}, {"b": 2}, {"a": 1}]


def test_an_undecorated_view_that_calls_one(site: Site) -> None:
    """The decorator of another route's view does not apply to the calling route."""
    inner = flask_chest(tracked_vars=["b"])(put_three)
    site.app.add_url_rule("/inner", "inner", inner)
    site.app.add_url_rule("/", "outer", lambda: inner())
    assert variables(site, "/", "/inner", "/") == [
        {"a": 1, "b": 2, "c": 3},
        {"b": 2},
        {"a": 1, "b": 2, "c": 3},
    ]


def test_an_error_page_that_calls_one(site: Site) -> None:
    """A page for 404 that answers with a decorated view is recorded by the app's rules."""
    inner = flask_chest(tracked_vars=["b"])(put_three)
    site.app.add_url_rule("/inner", "inner", inner)
    site.app.register_error_handler(404, lambda _: inner())
    site.app.add_url_rule("/none", "none", lambda: abort(404))
    everything = {"a": 1, "b": 2, "c": 3}
    assert variables(site, "/nowhere", "/none", "/inner") == [everything, everything, {"b": 2}]


def test_a_decorated_error_page(site: Site) -> None:
    """The decorator of an error page applies to requests that it answers."""

    @site.app.errorhandler(404)
    @flask_chest(tracked_vars=["b"])
    def page(_: Exception) -> tuple[str, int]:
        return put_three(), 404

    site.app.add_url_rule("/none", "none", lambda: abort(404))
    site.app.add_url_rule("/", "home", put_three)
    everything = {"a": 1, "b": 2, "c": 3}
    assert variables(site, "/nowhere", "/none", "/") == [{"b": 2}, {"b": 2}, everything]


def test_a_method_that_calls_another(site: Site) -> None:
    """``MethodView.get()`` that calls ``self.post()`` is recorded as ``get()`` says."""

    class Item(MethodView):
        @flask_chest(tracked_vars=["a"])
        def get(self) -> str:
            return self.post()

        @flask_chest(tracked_vars=["b"])
        def post(self) -> str:
            return put_three()

        def put(self) -> str:
            return self.post()

    site.app.add_url_rule("/", view_func=Item.as_view("item"))
    for method, expected in [
        ("GET", {"a": 1}),
        ("POST", {"b": 2}),
        ("HEAD", {"a": 1}),
        ("PUT", {"a": 1, "b": 2, "c": 3}),
        ("GET", {"a": 1}),
    ]:
        site.client.open("/", method=method)
        assert site.take().vars == expected


def test_a_hidden_decorator(site: Site) -> None:
    """Below a decorator without ``functools.wraps`` the first one that is called decides."""
    hidden = flask_chest(tracked_vars=["b"])(put_three)

    @flask_chest(tracked_vars=["a"])
    def calls_hidden() -> str:
        return hidden()

    site.app.add_url_rule("/", "outer", without_wraps(calls_hidden))

    @without_wraps
    def sometimes() -> str:
        return hidden() if g._call else put_three()

    site.app.add_url_rule("/sometimes", "sometimes", sometimes)
    calls: list[bool] = []
    site.app.before_request(lambda: setattr(g, "_call", bool(calls and calls.pop())))
    assert variables(site, "/", "/") == [{"a": 1}, {"a": 1}]
    calls.append(True)
    assert variables(site, "/sometimes") == [{"b": 2}]
    # Nothing outlives a request.
    assert variables(site, "/sometimes") == [{"a": 1, "b": 2, "c": 3}]


@pytest.mark.parametrize("at_once", [True, False])
def test_chests_of_an_inner_view(make_site: Callable[..., Site], at_once: bool) -> None:
    """The record of the outer view goes to the app's chests, once; none goes to the inner's."""
    site = make_site(CHEST_BUFFER="memory")
    chest = MemoryChest()
    inner = flask_chest([chest], ["b"], raise_exceptions=at_once)(put_three)
    site.app.add_url_rule("/inner", "inner", inner)
    site.app.add_url_rule("/plain", "plain", lambda: inner())
    site.app.add_url_rule("/outer", "outer", flask_chest(tracked_vars=["a"])(lambda: inner()))
    for path in ("/outer", "/plain", "/inner", "/outer"):
        assert site.client.get(path).text == "done"
    assert site.chest.flush(60)
    assert [record.route for record in site.store.records] == ["/outer", "/plain", "/outer"]
    assert [record.vars for record in chest.records] == [{"b": 2}]


def test_an_outer_view_with_chests(site: Site) -> None:
    """A view that calls itself and a view with other chests leaves one record, in its chests."""
    own, other = MemoryChest(), MemoryChest()
    inner = flask_chest([other])(put_three)

    @site.app.get("/<int:depth>")
    @flask_chest([own], ["a", "late"])
    def view(depth: int) -> Any:
        text = view(depth - 1) if depth else inner()
        g.late = depth
        return text

    assert site.client.get("/2").text == "done"
    assert [record.vars for record in own.records] == [{"a": 1, "late": 2}]
    assert other.records == []
    assert site.store.records == []


def test_an_app_without_the_extension(tmp_path: Path) -> None:
    """Also without ``FlaskChest`` only the chests of the routed view get a record."""
    app = Flask("plain", instance_path=str(tmp_path))
    chests = [MemoryChest(), MemoryChest()]
    inner = flask_chest([chests[0]])(put_three)
    app.add_url_rule("/inner", "inner", inner)
    app.add_url_rule("/outer", "outer", flask_chest([chests[1]])(lambda: inner()))
    app.add_url_rule("/plain", "plain", lambda: inner())
    for path in ("/outer", "/plain", "/inner"):
        assert app.test_client().get(path).text == "done"
    routes = [[record.route for record in chest.records] for chest in chests]
    assert routes == [["/inner"], ["/outer"]]
    app.extensions[STANDALONE_KEY].close()


def test_a_view_of_a_mounted_app(site: Site, tmp_path: Path) -> None:
    """A decorated view of another app within the request leaves the recorded app's rules alone."""
    inner = Flask("inner", instance_path=str(tmp_path / "inner"))
    inner.add_url_rule("/", "view", flask_chest(tracked_vars=["b"])(put_three))

    @site.app.get("/")
    def view() -> str:
        g.a, g.b = 1, 2
        with inner.test_request_context("/"):
            inner.view_functions["view"]()
        return "done"

    assert variables(site, "/", "/") == [{"a": 1, "b": 2}] * 2
