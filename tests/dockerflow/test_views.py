"""Tests ``/__heartbeat__``, ``/__lbheartbeat__`` and ``/__error__`` as views."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask, Response, g

from flask_chest.dockerflow import Dockerflow, checks

from .conftest import Lines, beat


def test_broken_extension(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """The response is JSON even if the extension is broken; the log has the details."""

    class Broken(Dockerflow):
        silenced_checks: Any = property(lambda self: 1 / 0, lambda self, value: None)

    Broken(app)
    response = beat(app)
    assert response.status_code == 500
    assert response.json == {
        "error": "the heartbeat raised ZeroDivisionError",
        "status": "critical",
    }
    assert "division by zero" in caplog.text


def test_config_changed_to_a_wrong_value(app: Flask, dockerflow: Dockerflow) -> None:
    """If a value is wrong at the time of the heartbeat, the response is JSON."""
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = "soon"
    response = beat(app)
    assert response.status_code == 500
    assert "DOCKERFLOW_CHECK_TIMEOUT is 'soon'" in response.json["error"]


def test_load_balancer(app: Flask, dockerflow: Dockerflow) -> None:
    """``/__lbheartbeat__`` returns 200 and an empty body, without running checks."""
    ran: list[int] = []

    @dockerflow.check
    def count() -> list[checks.CheckMessage]:
        ran.append(1)
        return [checks.Critical("no")]

    response = app.test_client().get("/__lbheartbeat__")
    assert (response.status_code, response.data, ran) == (200, b"", [])


def test_error(app: Flask, dockerflow: Dockerflow, lines: Lines) -> None:
    """``/__error__`` raises, and logs that it was called."""
    assert app.test_client().get("/__error__").status_code == 500
    first, second = lines()
    assert first["Type"] == "dockerflow.flask"
    assert first["Severity"] == 3
    assert first["Fields"]["msg"] == "The __error__ endpoint was called"
    assert "test exception from the /__error__ endpoint" in second["Fields"]["error"]


def test_endpoints_have_python_dockerflows_names(app: Flask, dockerflow: Dockerflow) -> None:
    """The views have names, by which e.g. rate limiters exempt them."""
    names = {"dockerflow.version", "dockerflow.heartbeat", "dockerflow.lbheartbeat"}
    assert names | {"dockerflow.error"} <= app.view_functions.keys()


def test_hooks_of_the_app(app: Flask, dockerflow: Dockerflow) -> None:
    """The views are ordinary views: hooks of the app see them."""

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = g.request_id
        return response

    assert beat(app).headers["X-Mark"]
    assert logging.getLogger("dockerflow.flask").level == logging.NOTSET
