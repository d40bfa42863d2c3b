"""``app.wsgi_app`` shows all attributes of what it wraps."""

from __future__ import annotations

import copy
import inspect
import pickle
import types
import weakref
from collections.abc import Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.capture.wsgi_middleware import ChestMiddleware
from flask_chest.testing import capture_records

from ..apps import Site, facts, wrapped_by


class Files:
    """A middleware with attributes and methods, like WhiteNoise and calibre-web's proxy fix."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.script_name: str | None = None
        self.folders: list[str] = []

    def add_files(self, folder: str) -> None:
        self.folders.append(folder)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.script_name = environ.get("SCRIPT_NAME")
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("app", instance_path=str(tmp_path))
    app.config["CHEST_BUFFER"] = "memory"
    app.wsgi_app = Files(app.wsgi_app)  # type: ignore[method-assign]
    FlaskChest(app)
    app.add_url_rule("/", "home", lambda: str(app.wsgi_app.script_name))
    return app


def test_reads_writes_and_methods(app: Flask) -> None:
    """Attributes are read from, written to and deleted on the wrapped object."""
    wrapped: Any = app.wsgi_app
    assert app.test_client().get("/").text == ""
    wrapped.add_files("static")
    assert wrapped.folders == ["static"]
    wrapped.script_name, wrapped.more = "/x", 1
    files = wrapped_by(app)
    assert (files.script_name, files.more) == ("/x", 1)
    del wrapped.more
    assert not hasattr(files, "more")
    with pytest.raises(AttributeError, match="'Files' object has no attribute 'nothing'"):
        wrapped.nothing  # noqa: B018


def test_its_class(app: Flask) -> None:
    """``isinstance()`` answers as for the wrapped object, and ``repr()`` shows both."""
    assert isinstance(app.wsgi_app, Files)
    assert app.wsgi_app.__class__ is Files
    assert isinstance(app.wsgi_app, ChestMiddleware)
    assert repr(app.wsgi_app).startswith("<ChestMiddleware around <")
    assert {"add_files", "script_name", "app"} <= set(dir(app.wsgi_app))
    assert vars(app.wsgi_app)["folders"] == []


def test_a_bound_method(tmp_path: Path) -> None:
    """Without another middleware it looks like Flask's own method."""
    app = Flask("app", instance_path=str(tmp_path))
    before: Any = app.wsgi_app
    FlaskChest(app)
    now: Any = app.wsgi_app
    assert isinstance(now, types.MethodType)
    assert (now.__self__, now.__func__, now.__name__) == (app, before.__func__, "wsgi_app")
    assert inspect.signature(now) == inspect.signature(before)

    @wraps(now)
    def other(environ: Any, start_response: Any) -> Any:
        return now(environ, start_response)

    assert other.__name__ == "wsgi_app"
    with pytest.raises(AttributeError):
        setattr(now, "attribute", 1)  # noqa: B010


def test_copies(app: Flask) -> None:
    """A copy records for the same app, and changes of the copy stay with the copy."""
    wrapped: Any = app.wsgi_app
    for copied in (copy.copy(wrapped), copy.deepcopy(wrapped, {id(app): app})):
        assert type(copied) is ChestMiddleware
        copied.script_name = "/copy"
        assert wrapped.script_name != "/copy"
    assert weakref.ref(wrapped)() is wrapped


def application(environ: Any, start_response: Any) -> Iterable[bytes]:
    """A WSGI application that can be pickled."""
    start_response("200 OK", [])
    return [b"pickled"]


def test_pickling(tmp_path: Path) -> None:
    """It is pickled as what it wraps: a process that is spawned makes its own app."""
    app = Flask("app", instance_path=str(tmp_path))
    app.wsgi_app = Files(application)  # type: ignore[method-assign]
    FlaskChest(app)
    restored = pickle.loads(pickle.dumps(app.wsgi_app))
    assert type(restored) is Files
    assert restored({}, lambda *_: None) == [b"pickled"]


def test_wrapped_later(app: Flask) -> None:
    """An extension that wraps the app later sees the attributes too."""
    app.wsgi_app = Files(app.wsgi_app)  # type: ignore[method-assign]
    assert app.wsgi_app.app.folders == []
    with capture_records(app) as records:
        assert app.test_client().get("/").text == ""
    assert [record.route for record in records] == ["/"]


def test_replaced_after_the_first_request(site: Site) -> None:
    """An app may replace ``wsgi_app`` at any time; its requests are still recorded."""

    @site.app.get("/")
    def view() -> str:
        g.a = 1
        return "done"

    client = site.client
    client.get("/")
    site.app.wsgi_app = Files(Flask.wsgi_app.__get__(site.app))  # type: ignore[method-assign]
    client.get("/")
    site.app.wsgi_app = Files(site.app.wsgi_app)  # type: ignore[method-assign]
    client.get("/")
    assert [facts(record) for record in site.records] == [("GET", "/", "view", 200, None)] * 3
    assert [record.vars for record in site.records] == [{"a": 1}] * 3
