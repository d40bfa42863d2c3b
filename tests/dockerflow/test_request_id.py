"""Tests the request id: in log lines, in summaries and on ``g``."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask, g

from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.logging import get_or_generate_request_id

from .conftest import Lines, summaries


@pytest.mark.parametrize(
    "given_id",
    ["", "a\nb", "a\x1b[2K", "caf\u00e9", "x" * 256],
    ids=["none", "nl", "esc", "é", "long"],
)
def test_unusable_request_ids(given_id: str) -> None:
    """A caller's id that could break or flood the log is replaced by a UUID of version 4."""
    made = get_or_generate_request_id({"x-request-id": given_id})
    assert uuid.UUID(made).version == 4
    assert str(uuid.UUID(made)) == made


def test_usable_request_ids() -> None:
    """Other ids are used unchanged, from the named header."""
    cloud = "105445aa7843bc8bf206b12000100000/1;o=1"
    headers = {"x-request-id": "a", "X-Cloud-Trace-Context": cloud}
    assert get_or_generate_request_id(headers) == "a"
    assert get_or_generate_request_id(headers, "X-Cloud-Trace-Context") == cloud


HEADERS = {"User-Agent": "tests/1", "Accept-Language": "tlh", "X-Request-ID": "r-1"}


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


def test_id_set_by_the_app(app: Flask, dockerflow: Dockerflow) -> None:
    """``g.request_id`` is set unless it is set already; views and hooks may change it."""
    app.before_request(lambda: setattr(g, "request_id", "mine"))
    with app.test_client() as client:
        client.get("/orders/7", headers=HEADERS)
        assert (g.request_id, g._request_id) == ("mine", "r-1")
