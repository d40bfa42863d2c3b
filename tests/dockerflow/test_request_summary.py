"""Tests ``request.summary``: one log record for each request, however it ends."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, g, request, stream_with_context
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.logging import request_id_context

from ..apps import SHARES_G
from .conftest import Lines, only_summary, summaries

HEADERS = {"User-Agent": "tests/1", "Accept-Language": "tlh", "X-Request-ID": "r-1"}


@pytest.mark.usefixtures("dockerflow")
def test_fields(app: Flask, lines: Lines) -> None:
    """A summary has python-dockerflow's fields, the status and the route."""
    app.test_client().get("/orders/7?full=1", headers=HEADERS)
    fields = only_summary(lines)
    assert isinstance(fields.pop("t"), int)
    assert fields == {
        "errno": 0,
        "agent": "tests/1",
        "lang": "tlh",
        "method": "GET",
        "path": "/orders/7",
        "uid": "",
        "rid": "r-1",
        "code": 200,
        "route": "/orders/<int:number>",
    }


@pytest.mark.usefixtures("dockerflow")
def test_querystring(app: Flask, lines: Lines) -> None:
    """The config can add the query string, even if it is not UTF-8."""
    app.config["DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"] = True
    client = app.test_client()
    client.get("/orders/7?x=\u0634")
    assert only_summary(lines)["querystring"] == "x=\u0634"
    environ = EnvironBuilder("/orders/7").get_environ()
    environ["QUERY_STRING"] = "x=\xff\n"
    run_wsgi_app(app, environ)
    assert only_summary(lines)["querystring"] == "x=\ufffd\n"


def test_hooks_before_dockerflow(app: Flask, lines: Lines) -> None:
    """A hook that answers instead of the view has no effect on the summary."""
    seen = []

    @app.before_request
    def refuse() -> tuple[str, int]:
        seen.append(request_id_context.get())
        return "no", 401

    Dockerflow(app)
    app.test_client().get("/orders/7", headers=HEADERS)
    fields = only_summary(lines)
    assert seen == ["r-1"] == [fields["rid"]]
    assert fields["code"] == 401


@pytest.mark.usefixtures("dockerflow")
def test_streams(app: Flask, lines: Lines) -> None:
    """A streamed response has one record, which is logged before the stream ends."""

    @app.get("/stream")
    def stream() -> Response:
        def body() -> Iterator[str]:
            yield request.path
            yield "!"

        return Response(stream_with_context(body()))

    assert app.test_client().get("/stream").text == "/stream!"
    assert only_summary(lines)["code"] == 200


@pytest.mark.usefixtures("dockerflow")
def test_async_views(app: Flask, lines: Lines) -> None:
    """``async def`` views have a summary too."""
    pytest.importorskip("asgiref")

    @app.get("/async")
    async def view() -> str:
        return "done"

    app.test_client().get("/async")
    assert only_summary(lines)["route"] == "/async"


@pytest.mark.usefixtures("dockerflow")
def test_hostile_headers(app: Flask, lines: Lines) -> None:
    """Control characters in headers, path and exception add no line; long texts are cut."""
    nasty = "".join(map(chr, range(1, 32))) + "\x7f\x85\xff" + '"}\n{"Severity": 0}'
    environ = EnvironBuilder("/broken").get_environ()
    environ["HTTP_USER_AGENT"] = (nasty * 200)[:8192]
    environ["HTTP_ACCEPT_LANGUAGE"] = nasty
    environ["HTTP_X_REQUEST_ID"] = nasty
    environ["PATH_INFO"] = "/br\noken" + "x" * 9000
    run_wsgi_app(app, environ)
    found = lines()
    fields = summaries(found)[0]
    assert len(found) == 1
    assert fields["agent"] == (nasty * 200)[:2048] + "..."
    assert fields["lang"] == nasty
    assert fields["path"].startswith("/br\noken")
    assert len(fields["path"]) == 2048 + 3
    assert len(fields["rid"]) == 36


@pytest.mark.usefixtures("dockerflow")
def test_disabled_logger(app: Flask) -> None:
    """If the logger is disabled, no fields are built."""
    built = []

    class Counting(Dockerflow):
        def summary_extra(self) -> dict[str, Any]:
            built.append(1)
            return super().summary_extra()

    app = Flask("quiet")
    Counting(app)
    app.test_client().get("/")
    assert built == []


def test_overrides(app: Flask, lines: Lines) -> None:
    """``user_id`` and ``summary_extra`` may be overridden, as users of python-dockerflow do."""

    class Own(Dockerflow):
        def user_id(self) -> object:
            return 42

        def summary_extra(self) -> dict[str, Any]:
            return super().summary_extra() | {"service": "shop"}

    Own(app)
    app.test_client().get("/orders/7")
    fields = only_summary(lines)
    assert (fields["uid"], fields["service"]) == (42, "shop")


def test_own_record_factories(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """The app's own record factory, e.g. of a tracing library, is used."""
    usual = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = usual(*args, **kwargs)
        record.span = "s-1"
        return record

    logging.setLogRecordFactory(factory)
    try:
        app.test_client().get("/orders/7")
    finally:
        logging.setLogRecordFactory(usual)
    assert only_summary(lines)["span"] == "s-1"


def test_attributes_of_the_log_record(app: Flask, dockerflow: Dockerflow) -> None:
    """A summary's log record has all attributes of other records, with current values."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.Logger("keeping", logging.INFO)
    logger.addHandler(Keep())
    dockerflow.summary_logger = logger
    client = app.test_client()
    client.get("/orders/7")
    client.get("/orders/8")
    logger.info("another")
    first, second, other = records
    assert vars(other).keys() <= vars(second).keys()
    assert first.created < second.created <= other.created
    assert first.relativeCreated < second.relativeCreated <= other.relativeCreated + 1
    assert (second.thread, second.process) == (other.thread, other.process)
    assert second.levelname == "INFO"
    assert (vars(second)["path"], vars(second)["errno"]) == ("/orders/8", 0)


def test_test_request_contexts(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """Tests that call ``preprocess_request`` and ``process_response`` by hand see a summary."""
    process: Any = app.process_response
    with app.test_request_context("/orders/7", headers=HEADERS) as context:
        # From Flask 3.2 on, both take the context.
        first = () if SHARES_G else (context,)
        app.preprocess_request(*first)
        assert g.request_id == "r-1"
        process(*first, Response("", 201))
    assert only_summary(lines)["code"] == 201
    with app.test_request_context("/orders/7", headers=HEADERS) as context:
        process(*(() if SHARES_G else (context,)), Response("", 201))
    assert only_summary(lines)["rid"] == "r-1"


def test_fields_outside_of_a_request(app: Flask, dockerflow: Dockerflow) -> None:
    """An app may call ``summary_extra`` at any time; fields that are not known yet are left out."""
    with app.test_request_context("/orders/7"):
        fields = dockerflow.summary_extra()
    assert fields["path"] == "/orders/7"
    assert not {"rid", "t"} & fields.keys()


@pytest.mark.usefixtures("dockerflow")
def test_each_record_is_new(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """No attribute is copied from an earlier record: neither the process' name nor the task's."""
    process = multiprocessing.current_process()
    before = process.name

    async def visit() -> None:
        app.test_client().get("/orders/7")

    async def visit_as(name: str) -> None:
        await asyncio.create_task(visit(), name=name)

    with caplog.at_level(logging.INFO, "request.summary"):
        for name in ("one", "two"):
            process.name = name
            asyncio.run(visit_as(name))
    process.name = before
    records = [record for record in caplog.records if record.name == "request.summary"]
    assert [record.processName for record in records] == ["one", "two"]
    # Python 3.12 added it.
    if sys.version_info >= (3, 12):
        assert [record.taskName for record in records] == ["one", "two"]
