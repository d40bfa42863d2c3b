"""Apps under test, and an app with everything that it records at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, g
from flask.ctx import AppContext
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from flask_chest import FlaskChest, Record
from flask_chest.chests.memory import MemoryChest
from flask_chest.testing import capture_records

#: Whether a request within an app context uses the ``g`` of that context: until Flask 3.1. From
#: Flask 3.2 on, app and request context are one, and each request has its own ``g``.
SHARES_G = not hasattr(AppContext, "has_request")


def make_plain_app(folder: Path | None = None, *, name: str = "app", **config: Any) -> Flask:
    """Make an app without views and without ``FlaskChest``.

    :param folder: the instance folder; it need not exist. Default: Flask's choice.
    :param name: the app's name.
    :param config: the app's config.
    """
    app = Flask(name, instance_path=None if folder is None else str(folder))
    app.jinja_options = {"bytecode_cache": _TEMPLATES}
    app.config.update(config)
    return app


def make_app(folder: Path | None = None, *, name: str = "app", **config: Any) -> Flask:
    """Make an app with ``FlaskChest`` and without views; for parameters see make_plain_app()."""
    app = make_plain_app(folder, name=name, **config)
    FlaskChest(app)
    return app


class _CompiledTemplates(BytecodeCache):
    """Keeps compiled templates for all apps: compiling takes longer than most tests."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = _CompiledTemplates()


class Site:
    """An app with a ``FlaskChest`` that writes to memory before each response.

    :param folder: the app's instance folder.
    :param arguments: keyword arguments of ``FlaskChest``.
    :param config: the app's config.
    """

    def __init__(
        self, folder: Path, *, arguments: Mapping[str, Any] | None = None, **config: Any
    ) -> None:
        self.app = Flask("site", instance_path=str(folder), static_folder=None)
        self.app.config.update({"CHEST_BUFFER": "none", **config})
        self._arguments = arguments or {}
        self.store = MemoryChest()
        self.records: list[Record] = []

    @contextmanager
    def recording(self) -> Iterator[Site]:
        """Add ``FlaskChest``; its middleware wraps what the test added to the app before."""
        self.chest = FlaskChest(self.app, chests=[self.store], **self._arguments)
        with capture_records(self.app) as records:
            self.records = records
            yield self
        self.chest.close()

    @property
    def client(self) -> FlaskClient:
        """A client that gets a response with status 500, not the exception of a view."""
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        return self.app.test_client()

    def only(self) -> Record:
        """Return the only record; it is also the only one in the store."""
        [record] = self.records
        assert self.store.records == [record]
        return record

    def take(self) -> Record:
        """Return the only record since the last call."""
        [record] = self.records
        self.records.clear()
        assert self.store.records[-1] == record
        return record


def wrapped_by(app: Flask) -> Any:
    """Return the WSGI application that the middleware of a recorded app wraps."""
    middleware: Any = app.wsgi_app
    return middleware._chest_parts[0]


def wrap(app: Flask, wsgi_app: Any) -> None:
    """Replace the WSGI application that the middleware of a recorded app wraps."""
    middleware: Any = app.wsgi_app
    middleware._chest_parts = wsgi_app, middleware._chest_parts[1]


def put(name: str, value: object, answer: str) -> str:
    """Put a variable on ``g`` and return the answer; for views that are lambdas."""
    setattr(g, name, value)
    return answer


def facts(record: Record) -> tuple[Any, ...]:
    """Return the fields that identify a request, and its status and error."""
    return record.method, record.route, record.endpoint, record.status, record.error
