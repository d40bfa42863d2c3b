"""An app with Dockerflow, and the mozlog lines that it writes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jsonschema
import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.dockerflow.logging import MozlogHandler, RequestIdLogFilter

from .mozlog_schema import MOZLOG

Line: TypeAlias = dict[str, Any]

#: Reads what was logged since the last call: one parsed line a record.
Lines: TypeAlias = Callable[[], list[Line]]


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    # However busy the machine is, a check that is not to be late is not.
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
        # As the strictest reader would: str.splitlines also splits at U+2028 and its like.
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
