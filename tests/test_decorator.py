"""``@flask_chest`` without chests: settings of one view that override all rules of the app."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, g
from flask.views import MethodView, View

from flask_chest import flask_chest
from flask_chest.decorator import flask_chest as by_its_module
from flask_chest.errors import ConfigError

from .apps import Site


def put_three() -> str:
    g.a, g.b, g.c = 1, 2, 3
    return "done"


def with_wraps(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def without_wraps(view: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def test_import_paths() -> None:
    """``flask_chest.flask_chest`` and ``flask_chest.decorator.flask_chest`` are the same object."""
    assert flask_chest is by_its_module


def test_it_overrides_tracked_variables(make_site: Callable[..., Site]) -> None:
    """The decorator's variables replace those of config and rules."""
    site = make_site(CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/*", "track": ["c"]}])
    site.app.add_url_rule("/", "view", flask_chest(tracked_vars=["c", "b"])(put_three))
    site.app.add_url_rule("/other", "other", put_three)
    site.client.get("/")
    assert list(site.take().vars.items()) == [("c", 3), ("b", 2)]
    site.client.get("/other")
    assert site.take().vars == {"a": 1, "c": 3}


def test_tracked_by_method(site: Site) -> None:
    """The tracked variables may differ by HTTP method."""
    tracked = {"GET": ["a"], "POST": ["b"], "*": ["c"]}
    view = flask_chest(tracked_vars=tracked)(put_three)
    site.app.add_url_rule("/", "view", view, methods=["GET", "POST", "PUT"])
    client = site.client
    for method, expected in [
        ("GET", {"a": 1, "c": 3}),
        ("HEAD", {"a": 1, "c": 3}),
        ("POST", {"b": 2, "c": 3}),
        ("PUT", {"c": 3}),
    ]:
        client.open("/", method=method)
        assert site.take().vars == expected


def test_nothing_tracked(site: Site) -> None:
    """An empty list tracks nothing, but the request is recorded."""
    site.app.add_url_rule("/", "view", flask_chest(tracked_vars=[])(put_three))
    site.client.get("/")
    assert site.only().vars == {}


def test_named_variables_are_not_redacted(site: Site) -> None:
    """A variable that the decorator names is stored even if its name looks like a secret."""

    @site.app.get("/")
    @flask_chest(tracked_vars=["session"])
    def view() -> str:
        g.session = {"id": 7, "token": "x"}
        return "done"

    site.client.get("/")
    assert site.only().vars == {"session": {"id": 7, "token": "[REDACTED]"}}


def test_request_id_generator(site: Site) -> None:
    """The generator is called once per request; its id is stored, sent back and wins."""
    calls: list[int] = []

    def generate() -> int:
        calls.append(1)
        return len(calls)

    site.app.add_url_rule("/", "view", flask_chest(request_id_generator=generate)(put_three))
    client = site.client
    assert client.get("/", headers={"X-Request-ID": "given"}).headers["X-Request-ID"] == "1"
    assert site.take().request_id == "1"
    assert client.get("/").headers["X-Request-ID"] == "2"
    assert site.take().request_id == "2"
    assert len(calls) == 2


def test_one_request_id_for_an_error(site: Site) -> None:
    """The generator is called only once if the view raises."""
    calls: list[int] = []

    @site.app.get("/")
    @flask_chest(request_id_generator=lambda: calls.append(1) or len(calls))  # type: ignore[func-returns-value]
    def view() -> str:
        raise LookupError

    response = site.client.get("/")
    assert response.status_code == 500
    assert (site.only().request_id, response.headers["X-Request-ID"]) == ("1", "1")
    assert len(calls) == 1


def test_a_long_request_id(site: Site) -> None:
    """A request id is cut to 255 characters."""
    site.app.add_url_rule(
        "/", "view", flask_chest(request_id_generator=lambda: "x" * 1000)(put_three)
    )
    site.client.get("/")
    assert site.only().request_id == "x" * 255


def test_a_generator_that_raises(site: Site) -> None:
    """If the generator raises, the record keeps its default request id."""

    def generate() -> str:
        raise LookupError

    site.app.add_url_rule("/", "view", flask_chest(request_id_generator=generate)(put_three))
    assert site.client.get("/", headers={"X-Request-ID": "given"}).status_code == 200
    assert site.only().request_id == "given"


def test_an_async_view(site: Site) -> None:
    """The decorator works on ``async def`` views."""

    @site.app.get("/")
    @flask_chest(tracked_vars=["b"])
    async def view() -> str:
        return put_three()

    assert site.client.get("/").text == "done"
    assert site.only().vars == {"b": 2}


@pytest.mark.parametrize("other", [with_wraps, without_wraps])
@pytest.mark.parametrize("place", ["above", "below"])
def test_other_decorators(site: Site, other: Any, place: str) -> None:
    """It works above and below other decorators, even without ``functools.wraps``."""
    ours = flask_chest(tracked_vars=["b"])
    view = ours(other(put_three)) if place == "above" else other(ours(put_three))
    site.app.add_url_rule("/", "view", view)
    client = site.client
    client.get("/")
    assert site.take().vars == {"b": 2}
    client.get("/")
    assert site.take().vars == {"b": 2}


def test_below_login_required(site: Site) -> None:
    """If a decorator above it refuses a request, the app's rules apply."""

    def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            g.refused = True
            abort(401)

        return wrapper

    view = flask_chest(tracked_vars=["refused"])(login_required(put_three))
    site.app.add_url_rule("/", "view", view)
    assert site.client.get("/").status_code == 401
    assert (site.only().status, site.only().vars) == (401, {"refused": True})


def test_a_whole_method_view(site: Site) -> None:
    """In a ``MethodView``'s ``decorators`` it applies to every method."""

    class Item(MethodView):
        decorators = [flask_chest(tracked_vars=["b"])]

        def get(self) -> str:
            return put_three()

        async def post(self) -> str:
            return put_three()

    site.app.add_url_rule("/", view_func=Item.as_view("item"))
    client = site.client
    client.get("/")
    assert site.take().vars == {"b": 2}
    client.post("/")
    assert site.take().vars == {"b": 2}


def test_one_method_of_a_view(site: Site) -> None:
    """On one method of a ``MethodView`` it applies to that method only."""

    class Item(MethodView):
        @flask_chest(tracked_vars=["b"])
        def get(self) -> str:
            return put_three()

        def post(self) -> str:
            return put_three()

        @flask_chest(tracked_vars=["c"])
        async def put(self) -> str:
            return put_three()

    site.app.add_url_rule("/", view_func=Item.as_view("item"))
    client = site.client
    for method, expected in [
        ("POST", {"a": 1, "b": 2, "c": 3}),
        ("GET", {"b": 2}),
        ("HEAD", {"b": 2}),
        ("PUT", {"c": 3}),
        ("POST", {"a": 1, "b": 2, "c": 3}),
    ]:
        client.open("/", method=method)
        assert site.take().vars == expected


def test_a_pluggable_view(site: Site) -> None:
    """It works on ``dispatch_request()`` of a ``View``."""

    class Page(View):
        @flask_chest(tracked_vars=["a"])
        def dispatch_request(self) -> str:
            return put_three()

    site.app.add_url_rule("/", view_func=Page.as_view("page"))
    site.client.get("/")
    assert site.only().vars == {"a": 1}


def test_two_views_of_one_decorator(site: Site) -> None:
    """One decorator object may decorate several views, and one view may have several routes."""
    ours = flask_chest(tracked_vars=["a"])
    view = ours(put_three)
    site.app.add_url_rule("/1", "one", view)
    site.app.add_url_rule("/2", "two", view)
    site.app.add_url_rule("/3", "three", ours(with_wraps(put_three)))
    for path in ("/1", "/2", "/3"):
        site.client.get(path)
        assert site.take().vars == {"a": 1}


def test_it_keeps_the_view(site: Site) -> None:
    """The view keeps its name, docstring, arguments, return value and exceptions."""

    @flask_chest()
    def view(number: int, *, word: str = "x") -> tuple[str, int]:
        """What it says."""
        if number == 0:
            raise LookupError("zero")
        return f"{number} {word}", 201

    assert (view.__name__, view.__doc__) == ("view", "What it says.")
    assert view(1, word="y") == ("1 y", 201)
    site.app.add_url_rule("/<int:number>", view_func=view)
    response = site.client.get("/7")
    assert (response.text, response.status_code) == ("7 x", 201)
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(LookupError, match="zero"):
        site.app.test_client().get("/0")
    assert [(record.status, record.error) for record in site.records] == [
        (201, None),
        (500, "LookupError"),
    ]


def test_an_app_without_the_extension(tmp_path: Path) -> None:
    """In an app without a ``FlaskChest`` the decorator does nothing."""
    app = Flask("plain", instance_path=str(tmp_path))
    app.add_url_rule("/", "view", flask_chest(tracked_vars=["a"])(put_three))
    assert app.test_client().get("/").text == "done"
    assert list(tmp_path.iterdir()) == []


def test_one_view_in_two_apps(tmp_path: Path) -> None:
    """Several apps may serve the same decorated view."""
    view = flask_chest(tracked_vars=["a"])(put_three)
    first, second = Site(tmp_path), Site(tmp_path)
    with first.recording(), second.recording():
        for site in (first, second, first):
            if "view" not in site.app.view_functions:
                site.app.add_url_rule("/", "view", view)
            site.client.get("/")
            assert site.take().vars == {"a": 1}


@pytest.mark.parametrize("tracked", ["a", 7, {"GET": "a"}, [7]])
def test_wrong_arguments(tracked: Any) -> None:
    """A wrong argument raises an error at the decorator, not at the first request."""
    with pytest.raises(ConfigError):
        flask_chest(tracked_vars=tracked)
