"""Tests the ``request.summary`` of requests that fail."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, abort, request

from flask_chest.dockerflow import Dockerflow

from .conftest import Lines, only_summary

HEADERS = {"User-Agent": "tests/1", "Accept-Language": "tlh", "X-Request-ID": "r-1"}


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
    fields = only_summary(lines)
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
def test_status_of_an_error_handler(app: Flask, lines: Lines) -> None:
    """``code`` is the status that was sent, also for a failing request."""
    app.register_error_handler(500, lambda error: ("later", 503))
    app.test_client().get("/broken")
    fields = only_summary(lines)
    assert (fields["errno"], fields["code"]) == (500, 503)


@pytest.mark.usefixtures("dockerflow")
def test_handled_error(app: Flask, lines: Lines) -> None:
    """An exception that the app handles is not a failure."""
    app.register_error_handler(ValueError, lambda error: ("odd", 400))
    app.test_client().get("/broken")
    fields = only_summary(lines)
    assert (fields["errno"], fields["code"]) == (0, 400)


def test_a_failing_hook(app: Flask, lines: Lines) -> None:
    """A failing ``after_request`` function results in an error record."""
    dockerflow = Dockerflow(app)

    @app.after_request
    def fail(response: Response) -> Response:
        raise OSError("disk full")

    app.test_client().get("/orders/7")
    fields = only_summary(lines)
    assert (fields["errno"], fields["code"]) == (500, 500)
    assert fields["error"] == "OSError('disk full')"
    assert dockerflow.summary_logger.name == "request.summary"


def test_broken_session(app: Flask, lines: Lines) -> None:
    """An exception before the request is dispatched has a record too."""

    class Interface(type(app.session_interface)):  # type: ignore[misc]
        def open_session(self, app: Flask, request: Any) -> Any:
            raise OSError("no sessions")

    app.session_interface = Interface()
    Dockerflow(app)
    app.test_client().get("/orders/7", headers=HEADERS)
    fields = only_summary(lines)
    assert (fields["errno"], fields["rid"], fields["msg"]) == (500, "r-1", "no sessions")
    assert isinstance(fields["t"], int)  # python-dockerflow has None here


@pytest.mark.usefixtures("dockerflow")
def test_exception_texts_in_plain_logs(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """In any log format, a failing request's message is one line without control characters."""

    def echo() -> str:
        raise ValueError(request.args["n"])

    app.add_url_rule("/echo", view_func=echo)
    app.test_client().get("/echo", query_string={"n": "1\nroot: all is lost\x1b[2K"})
    (record,) = [each for each in caplog.records if each.name == "request.summary"]
    assert record.getMessage() == r"1\nroot: all is lost\x1b[2K"


def test_exception_without_a_text(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
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
    assert only_summary(lines)["error"] == "<unprintable MuteError>"


def test_failing_override(app: Flask, lines: Lines) -> None:
    """A failing override prevents the summary, but not the response."""

    class Own(Dockerflow):
        def summary_extra(self) -> dict[str, Any]:
            raise KeyError("user")

    Own(app)
    assert app.test_client().get("/orders/7").status_code == 200
    (line,) = lines()
    assert line["Type"] == "dockerflow.flask"
    assert line["Fields"]["error"] == "KeyError('user')"
