"""Tests ``request.summary``: one log record for each request, however it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, g, request, stream_with_context
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.logging import request_id_context

from .conftest import Line, Lines, summaries

HEADERS = {"User-Agent": "tests/1", "Accept-Language": "tlh", "X-Request-ID": "r-1"}


def only(lines: Lines) -> Line:
    (fields,) = summaries(lines())
    return fields


@pytest.mark.usefixtures("dockerflow")
def test_fields(app: Flask, lines: Lines) -> None:
    """A summary has python-dockerflow's fields, the status and the route."""
    app.test_client().get("/orders/7?full=1", headers=HEADERS)
    fields = only(lines)
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
    assert only(lines)["querystring"] == "x=\u0634"
    environ = EnvironBuilder("/orders/7").get_environ()
    environ["QUERY_STRING"] = "x=\xff\n"
    run_wsgi_app(app, environ)
    assert only(lines)["querystring"] == "x=\ufffd\n"


@pytest.mark.usefixtures("dockerflow")
def test_request_id_header(app: Flask, lines: Lines) -> None:
    """The id may come from another header; without a header it is generated."""
    app.config["DOCKERFLOW_REQUEST_ID_HEADER_NAME"] = "X-Cloud-Trace-Context"
    client = app.test_client()
    client.get("/orders/7", headers={"X-Cloud-Trace-Context": "abc/1;o=1"})
    client.get("/orders/7", headers={"X-Request-ID": "other"})
    one, two = summaries(lines())
    assert one["rid"] == "abc/1;o=1"
    assert len(two["rid"]) == 36


def test_request_id_in_views_and_logs(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """``g.request_id``, every log line of the request and its summary have the same id."""
    seen = []

    @app.get("/see")
    def see() -> str:
        seen.append(g.request_id)
        dockerflow.logger.info("seen")
        return ""

    app.test_client().get("/see")
    logged, summary = lines()
    assert seen == [logged["Fields"]["rid"]] == [summary["Fields"]["rid"]]


def test_an_id_that_the_app_sets_is_kept(app: Flask, dockerflow: Dockerflow) -> None:
    """``g.request_id`` is set unless it is set already; views and hooks may change it."""
    app.before_request(lambda: setattr(g, "request_id", "mine"))
    with app.test_client() as client:
        client.get("/orders/7", headers=HEADERS)
        assert (g.request_id, g._request_id) == ("mine", "r-1")


def test_hooks_before_dockerflow(app: Flask, lines: Lines) -> None:
    """A hook that answers instead of the view has no effect on the summary."""
    seen = []

    @app.before_request
    def refuse() -> tuple[str, int]:
        seen.append(request_id_context.get())
        return "no", 401

    Dockerflow(app)
    app.test_client().get("/orders/7", headers=HEADERS)
    fields = only(lines)
    assert seen == ["r-1"] == [fields["rid"]]
    assert fields["code"] == 401


@pytest.mark.usefixtures("dockerflow")
@pytest.mark.parametrize(
    ("method", "path", "code", "route"),
    [("GET", "/nowhere", 404, ""), ("POST", "/orders/7", 405, ""), ("GET", "/gone", 410, "/gone")],
)
def test_http_errors(
    app: Flask, lines: Lines, method: str, path: str, code: int, route: str
) -> None:
    """A request with an HTTP error is not a failure; the summary has its status."""
    app.add_url_rule("/gone", view_func=lambda: abort(410), endpoint="gone")
    app.test_client().open(path, method=method)
    fields = only(lines)
    assert (fields["errno"], fields["code"], fields["route"]) == (0, code, route)


@pytest.mark.usefixtures("dockerflow")
@pytest.mark.parametrize("propagate", [False, True])
def test_failing_requests(app: Flask, lines: Lines, propagate: bool) -> None:
    """A failing request has one record at error level, with the exception."""
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    try:
        app.test_client().get("/broken", headers=HEADERS)
    except ValueError:
        assert propagate
    (line,) = [line for line in lines() if line["Type"] == "request.summary"]
    fields = line["Fields"]
    assert line["Severity"] == 3
    assert (fields["errno"], fields["code"], fields["route"]) == (500, 500, "/broken")
    assert (fields["msg"], fields["error"]) == ("no such thing", "ValueError('no such thing')")
    assert "in broken" in fields["traceback"]


@pytest.mark.usefixtures("dockerflow")
def test_the_status_that_an_error_handler_gives(app: Flask, lines: Lines) -> None:
    """``code`` is the status that was sent, also for a failing request."""
    app.register_error_handler(500, lambda error: ("later", 503))
    app.test_client().get("/broken")
    fields = only(lines)
    assert (fields["errno"], fields["code"]) == (500, 503)


@pytest.mark.usefixtures("dockerflow")
def test_an_error_that_was_handled(app: Flask, lines: Lines) -> None:
    """An exception that the app handles is not a failure."""
    app.register_error_handler(ValueError, lambda error: ("odd", 400))
    app.test_client().get("/broken")
    fields = only(lines)
    assert (fields["errno"], fields["code"]) == (0, 400)


def test_a_failing_hook(app: Flask, lines: Lines) -> None:
    """A failing ``after_request`` function results in an error record."""
    dockerflow = Dockerflow(app)

    @app.after_request
    def fail(response: Response) -> Response:
        raise OSError("disk full")

    app.test_client().get("/orders/7")
    fields = only(lines)
    assert (fields["errno"], fields["code"]) == (500, 500)
    assert fields["error"] == "OSError('disk full')"
    assert dockerflow.summary_logger.name == "request.summary"


def test_a_session_that_cannot_be_opened(app: Flask, lines: Lines) -> None:
    """An exception before the request is dispatched has a record too."""

    class Interface(type(app.session_interface)):  # type: ignore[misc]
        def open_session(self, app: Flask, request: Any) -> Any:
            raise OSError("no sessions")

    app.session_interface = Interface()
    Dockerflow(app)
    app.test_client().get("/orders/7", headers=HEADERS)
    fields = only(lines)
    assert (fields["errno"], fields["rid"], fields["msg"]) == (500, "r-1", "no sessions")


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
    assert only(lines)["code"] == 200


@pytest.mark.usefixtures("dockerflow")
def test_async_views(app: Flask, lines: Lines) -> None:
    """``async def`` views have a summary too."""
    pytest.importorskip("asgiref")

    @app.get("/async")
    async def view() -> str:
        return "done"

    app.test_client().get("/async")
    assert only(lines)["route"] == "/async"


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
def test_exception_texts_in_plain_logs(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """In any log format, a failing request's message is one line without control characters."""

    def echo() -> str:
        raise ValueError(request.args["n"])

    app.add_url_rule("/echo", view_func=echo)
    app.test_client().get("/echo", query_string={"n": "1\nroot: all is lost\x1b[2K"})
    (record,) = [each for each in caplog.records if each.name == "request.summary"]
    assert record.getMessage() == r"1\nroot: all is lost\x1b[2K"


def test_an_exception_without_a_text(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """An exception whose ``str`` and ``repr`` fail is logged too."""

    class MuteError(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

        __str__ = __repr__

    @app.errorhandler(500)
    def answer(error: Exception) -> tuple[str, int]:
        return "sorry", 500

    def fail() -> str:
        raise MuteError

    app.add_url_rule("/mute", view_func=fail, endpoint="mute")
    app.log_exception = lambda *_: None  # type: ignore[method-assign]  # Flask's own would raise
    assert app.test_client().get("/mute").text == "sorry"
    assert only(lines)["error"] == "<unprintable MuteError>"


@pytest.mark.usefixtures("dockerflow")
def test_no_logger_no_work(app: Flask) -> None:
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
    fields = only(lines)
    assert (fields["uid"], fields["service"]) == (42, "shop")


def test_an_override_that_raises(app: Flask, lines: Lines) -> None:
    """A failing override prevents the summary, but not the response."""

    class Own(Dockerflow):
        def summary_extra(self) -> dict[str, Any]:
            raise KeyError("user")

    Own(app)
    assert app.test_client().get("/orders/7").status_code == 200
    (line,) = lines()
    assert line["Type"] == "dockerflow.flask"
    assert line["Fields"]["error"] == "KeyError('user')"


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
    assert only(lines)["span"] == "s-1"


def test_records_are_like_others(app: Flask, dockerflow: Dockerflow) -> None:
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
    with app.test_request_context("/orders/7", headers=HEADERS):
        app.preprocess_request()
        assert g.request_id == "r-1"
        app.process_response(Response("", 201))
    assert only(lines)["code"] == 201
    with app.test_request_context("/orders/7", headers=HEADERS):
        app.process_response(Response("", 201))
    assert only(lines)["rid"] == "r-1"


def test_fields_before_a_request_has_begun(app: Flask, dockerflow: Dockerflow) -> None:
    """An app may call ``summary_extra`` at any time; fields that are not known yet are left out."""
    with app.test_request_context("/orders/7"):
        fields = dockerflow.summary_extra()
    assert fields["path"] == "/orders/7"
    assert not {"rid", "t"} & fields.keys()
