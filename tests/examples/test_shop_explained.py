"""The shop explains itself: a slow page in three clicks, and a checkout with its jobs."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from examples.shop import create_app
from examples.shop.account import PASSWORD
from flask_chest import Record
from flask_chest.app.state import get_state
from tests import ROOT

from ..servers.redis import Redis
from ..waiting import wait_until

TOKEN = "open sesame, open the chest"


def log_in(client: FlaskClient, email: str) -> None:
    form = {"email": email, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 303


def click(client: FlaskClient, page: str, link: str) -> str:
    """Follow the first link whose text or URL contains something, and return the next page."""
    links = re.findall(r'<a href="([^"]+)"[^>]*>(.*?)</a>', page, re.S)
    [url, *_] = [html.unescape(url) for url, label in links if link in label or link in url]
    response = client.get(url if url.startswith("/") else f"/chest/{url}")
    assert response.status_code == 200
    return response.text


def test_the_slow_query_in_three_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overview, the route, its requests, one request: there is the statement."""
    monkeypatch.setenv("FLASK_CHEST_DASHBOARD", "true")
    monkeypatch.setenv("FLASK_CHEST_DASHBOARD_TOKEN", TOKEN)
    app = create_app(str(tmp_path))
    client = app.test_client()
    log_in(client, "staff@shop.test")
    assert client.get("/admin/sales?days=90").status_code == 200
    assert app.extensions["chest"].flush()
    reader = app.test_client()
    page = reader.get("/chest/login").text
    [form] = re.findall(r'name="form" value="([^"]+)"', page)
    assert reader.post("/chest/login", data={"token": TOKEN, "form": form}).status_code == 303
    overview = reader.get("/chest/").text
    by_route = click(reader, overview, "/admin/sales")
    requests = click(reader, by_route, "Requests")
    request = click(reader, requests, "/chest/requests/")
    assert "with recursive sale(number)" in html.unescape(request)
    assert "One statement was sent 16 times" in request
    app.extensions["chest"].close()


@contextmanager
def process(folder: Path, log: Path, *command: str, **environment: str) -> Iterator[None]:
    given = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", **environment}
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=given, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        started.terminate()
        started.wait(120)


@pytest.mark.server
def test_a_checkout_and_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail by a Celery worker and the invoice by an RQ worker are in the checkout's trace."""
    instance = tmp_path / "instance"
    with ExitStack() as stack:
        redis = stack.enter_context(Redis())
        monkeypatch.setenv("FLASK_REDIS_URL", redis.url)
        shared = {"FLASK_REDIS_URL": redis.url, "SHOP_INSTANCE": str(instance)}
        logs = [tmp_path / "celery.log", tmp_path / "rq.log"]
        celery = ("celery", "-A", "examples.shop.worker:celery", "worker", "--concurrency=1")
        stack.enter_context(process(tmp_path, logs[0], *celery, **shared))
        options = ("--url", redis.url, "--job-class", "examples.shop.worker.RecordedJob")
        rq = ("rq.cli", "worker", *options, "invoices")
        stack.enter_context(process(tmp_path, logs[1], *rq, **shared))
        app = create_app(str(instance))
        client = app.test_client()
        log_in(client, "customer2@shop.test")
        assert client.post("/cart/items", data={"sku": stocked(app)}).status_code == 201
        card = {"card": "4242424242424242"}
        answer = client.post("/checkout", data=card, headers={"X-Request-ID": "checkout-1"})
        assert answer.status_code == 201
        records = records_of(app, "checkout-1", 3, logs)
        app.extensions["invoices"].connection.close()
        app.extensions["chest"].close()
    assert records.keys() == {
        "billing.checkout",
        "shop.send_confirmation",
        "examples.shop.worker.write_invoice",
    }
    order = answer.json["order_id"] if answer.json else None
    mail, invoice = (
        records["shop.send_confirmation"],
        records["examples.shop.worker.write_invoice"],
    )
    assert (mail.vars["mailed_order"], invoice.vars["invoiced_order"]) == (order, order)
    assert len({record.trace_id for record in records.values()}) == 1
    parent = records["billing.checkout"].vars["span_id"]
    assert (mail.vars["parent_id"], invoice.vars["parent_id"]) == (parent, parent)
    assert "there is no mail server" in str(mail.vars["log.lines"])


def stocked(app: Any) -> str:
    return next(str(product.sku) for product in app.extensions["products"] if product.stock)


def records_of(app: Any, request_id: str, count: int, logs: list[Path]) -> dict[Any, Record]:
    """Wait until records of a request are in the store; return them by their endpoint."""
    reader = get_state(app).chests[0].reader()
    assert reader is not None
    found: list[Record] = []

    def are_there() -> bool:
        found[:] = reader.find(request_id)
        return len(found) >= count

    wait_until(are_there, lambda: f"{found}\n{[log.read_text() for log in logs]}")
    reader.close()
    return {record.endpoint: record for record in found}
