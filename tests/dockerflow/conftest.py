"""Apps with Dockerflow and FlaskChest, and the mozlog lines that they write."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.chests.base import Chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.dockerflow.logging import MozlogHandler, RequestIdLogFilter
from flask_chest.errors import DeliveryError
from flask_chest.record.record import Record

from .mozlog_schema import MOZLOG

Line: TypeAlias = dict[str, Any]

#: Returns the lines logged since the last call, one parsed line for each record.
Lines: TypeAlias = Callable[[], list[Line]]


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    # Long enough for a busy machine.
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 60

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return f"order {number}"

    @app.get("/broken")
    def broken() -> str:
        raise ValueError("no such thing")

    return app


@pytest.fixture
def dockerflow(app: Flask) -> Dockerflow:
    return Dockerflow(app)


@pytest.fixture(autouse=True)
def _no_shared_checks() -> Iterator[None]:
    yield
    checks.clear_checks()


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = io.StringIO()
    handler = MozlogHandler(stream, name="shop")
    handler.addFilter(RequestIdLogFilter())
    loggers = [logging.getLogger(name) for name in ("request.summary", "dockerflow")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)

    def read() -> list[Line]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        # The strictest way: str.splitlines also splits at U+2028 and similar characters.
        found = [json.loads(line) for line in text.splitlines()]
        for line in found:
            jsonschema.validate(line, MOZLOG)
        return found

    yield read
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def summaries(found: list[Line]) -> list[Line]:
    """Return the fields of the lines that are request summaries."""
    return [line["Fields"] for line in found if line["Type"] == "request.summary"]


class Moody(Chest):
    """A chest that may be unreachable, or hang."""

    scheme = "moody"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.away = False
        self.answers = threading.Event()
        self.answers.set()

    def check(self) -> None:
        self.answers.wait()
        if self.away:
            raise DeliveryError("connection refused")

    def write(self, records: Sequence[Record]) -> None:
        self.check()


@pytest.fixture
def moody() -> Iterator[Moody]:
    chest = Moody()
    yield chest
    chest.answers.set()


@pytest.fixture
def chest_app(tmp_path: Path) -> Iterator[Flask]:
    """An app for FlaskChest, whose records stay in memory."""
    package = tmp_path / "shop"
    package.mkdir()
    app = Flask("shop", root_path=str(package), instance_path=str(tmp_path / "instance"))
    app.config.update(TESTING=True, CHEST_CHESTS=[MemoryChest()], CHEST_BUFFER="memory")
    # Long enough for a busy machine.
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 60

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        g.user_id = number
        g.lines = [{"sku": "a"}]
        g.path = "/secret"
        g.password = "hunter2"
        return ""

    @app.get("/broken")
    def broken() -> str:
        g.user_id = 8
        raise ValueError

    yield app
    if "chest" in app.extensions:
        app.extensions["chest"].close()


@pytest.fixture(params=["chest first", "Dockerflow first"])
def both(chest_app: Flask, request: pytest.FixtureRequest) -> Flask:
    """The app with FlaskChest and Dockerflow, in either order."""
    makers = [FlaskChest, Dockerflow]
    for make in makers if request.param == "chest first" else reversed(makers):
        make(chest_app)
    return chest_app


def beat(app: Flask) -> Any:
    """Return the response of a heartbeat."""
    response = app.test_client().get("/__heartbeat__")
    assert response.is_json
    return response


def only_summary(lines: Lines) -> Line:
    """Return the fields of the only request summary."""
    (fields,) = summaries(lines())
    return fields
