"""The pages of errors, and what a request's page shows of its error, its time and its log."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.dashboard.record_parts import own_frames, time_parts

from .shop import EVIL, make_dashboard_app, open_client

TRACE = """Traceback (most recent call last):
  File "site-packages/flask/app.py", line 1, in full_dispatch_request
    rv = self.dispatch_request()
  File "shop/billing.py", line 20, in pay
    charge(card)
shop.PaymentError: declined
"""


def failed(number: int, **variables: Any) -> Record:
    return Record(
        id=f"{number:032x}",
        time=datetime.now(timezone.utc) - timedelta(minutes=number),
        request_id=f"req-{number}",
        method="POST",
        route="/pay",
        status=500,
        duration_ms=200.0,
        error="shop.PaymentError",
        vars=variables,
        tags={"version": "2" if number < 3 else "1"},
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of a shop with four failed requests."""
    folder: Path = tmp_path_factory.mktemp("errors")
    app = make_dashboard_app(folder, CHEST_EXPORTER="agent")
    explained: dict[str, Any] = {
        "exception.message": f"declined {EVIL}",
        "exception.stacktrace": TRACE + EVIL,
        "log.lines": ["+1.0 ms WARNING shop: bank is slow", EVIL],
    }
    [chest] = get_state(app).chests
    chest.write(
        [
            failed(1, **{"error.fingerprint": "aaaa", **explained}, user_id=7),
            failed(2, **{"error.fingerprint": "aaaa"}, user_id=8),
            failed(
                3,
                **{
                    "db.count": 12,
                    "db.ms": 150.5,
                    "db.slowest_ms": 90.0,
                    "db.query.text": "select * from orders where id = ?",
                    "db.repeated.count": 11,
                    "db.repeated.text": "select 1",
                    "http.ms": 30,
                    "span.price.ms": 20.25,
                },
            ),
        ]
    )
    return open_client(app)


def text_of(client: FlaskClient, path: str) -> str:
    response = client.get(f"/chest{path}")
    assert response.status_code == 200
    assert EVIL not in response.text
    return re.sub(r"<[^>]*>", " ", response.text)


def test_the_groups(client: FlaskClient) -> None:
    """Each error is one row, with a link to its page."""
    text = text_of(client, "/errors")
    assert text.count("shop.PaymentError") == 2
    assert text.count("new in this release") == 1
    assert "/chest/errors/aaaa?" in client.get("/chest/errors").text
    assert "No errors in this range with these filters" in text_of(client, "/errors?where=status=1")


def test_one_group(client: FlaskClient) -> None:
    """Message, traceback with the app's frames in bold, log lines, and the newest request."""
    text = text_of(client, "/errors/aaaa")
    assert "declined &lt;script&gt;" in text
    assert "bank is slow" in text
    page = client.get("/chest/errors/aaaa").text
    assert "<strong>  File &#34;shop/billing.py&#34;, line 20, in pay</strong>" in page
    assert "<strong>  File &#34;site-packages" not in page
    assert "/chest/requests/00000000000000000000000000000001?" in page


def test_an_unknown_group(client: FlaskClient) -> None:
    """An error that is not in the range has no page."""
    assert client.get("/chest/errors/bbbb").status_code == 404
    assert client.get("/chest/errors/aaaa?until=1+day&since=2+days").status_code == 404


def test_a_requests_page(client: FlaskClient) -> None:
    """Three clicks from the overview: route, request, and there the statement and the bar."""
    text = text_of(client, f"/requests/{3:032x}")
    assert "Where the time went" in text
    assert "select * from orders where id = ?" in text
    assert "One statement was sent 11 times" in text
    page = client.get(f"/chest/requests/{3:032x}").text
    assert page.count("<svg") == 3
    assert "style=" not in page
    assert "Traceback" in text_of(client, f"/requests/{1:032x}")


def test_parts_of_a_bar() -> None:
    """Libraries follow each other and never leave the bar; odd values are left out."""
    record = failed(
        1,
        **{
            "db.ms": 150,
            "http.ms": 100,
            "redis.ms": True,
            "template.ms": -1,
            "span.a.ms": 900,
            "span.b.ms": "x",
            "db.count": "many",
        },
    )
    parts = [(part.name, part.start, part.width, part.count) for part in time_parts(record)]
    assert parts == [
        ("db", 0.0, 750.0, None),
        ("http", 750.0, 250.0, None),
        ("span.a", 0.0, 1000.0, None),
    ]


def test_own_frames_of_groups() -> None:
    """Frames of exceptions in a group are indented."""
    trace = '  |   File "shop/a.py", line 1, in f\n  |     x()\n  | ValueError: x'
    assert [own for _, own in own_frames(trace)] == [True, False, False]
