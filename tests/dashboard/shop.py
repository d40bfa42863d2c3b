"""A shop with a day of traffic; the second half of it runs a slower release."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask import Flask, g
from flask.testing import FlaskClient

from flask_chest import Record
from flask_chest.app.state import get_state

from ..apps import make_app

TOKEN = "open sesame, open the chest"
EVIL = "<script>document.title='hacked'</script>\u202e"
#: Every page, with the parameters that change what it shows.
PAGES = (
    "/",
    "/?since=7+days",
    "/?since=1+year",
    "/variable",
    "/variable?name=total",
    "/variable?name=tenant",
    "/variable?name=word",
    "/variable?name=user_id&as=words",
    "/variable?name=route",
    "/variable?name=nowhere",
    "/compare",
    "/compare?a=1.4.1&b=1.4.2",
    "/compare?a_since=1+day&a_until=12+hours&since=12+hours",
    "/requests",
    "/requests?where=status%3E%3D500",
    "/requests/req-7",
    "/errors",
    "/errors?since=1+year",
    "/health",
)
_ROUTES = ("/", "/orders/<int:order_id>", "/products/<slug>", "/search", "/cart", None)


#: All apps made here; ``conftest.py`` closes them after the tests of each file.
MADE: list[Flask] = []


def make_dashboard_app(folder: Path, **config: Any) -> Flask:
    """Make the shop with its dashboard."""
    given: dict[str, Any] = {"CHEST_DASHBOARD": True, "CHEST_DASHBOARD_TOKEN": TOKEN}
    app = make_app(folder, name="shop", **{**given, **config})
    MADE.append(app)

    @app.get("/search")
    def search() -> str:
        g.tenant = "acme"
        g.query = EVIL
        return "found"

    return app


def fill(app: Flask, count: int = 3000, now: datetime | None = None) -> list[Record]:
    """Write records of the last day, and return them."""
    [chest, *_] = get_state(app).chests
    chance, end = random.Random(2), now or datetime.now(timezone.utc)
    records = [_record(number, end, chance) for number in range(count)]
    chest.write(records)
    return records


def _record(number: int, end: datetime, chance: random.Random) -> Record:
    time = end - timedelta(seconds=60 + chance.random() * 23 * 3600)
    version = "1.4.2" if time > end - timedelta(hours=10) else "1.4.1"
    route = chance.choice(_ROUTES)
    slow = 2.5 if version == "1.4.2" and route == "/search" else 1
    failed = chance.random() < 0.02
    return Record(
        id=f"{int(time.timestamp() * 1000):012x}7{number:019x}",
        time=time,
        request_id=f"req-{number}",
        method=chance.choice(("GET", "GET", "POST")),
        route=route,
        endpoint=None if route is None else "view",
        status=500 if failed else 404 if route is None else 200,
        error="KeyError" if failed else None,
        duration_ms=chance.lognormvariate(3, 0.6) * slow,
        vars={
            "tenant": chance.choice(("acme", "umbrella", "initech", "globex")),
            "user_id": chance.randrange(200),
            "total": chance.expovariate(1 / 60),
            "word": EVIL if number % 3 else "x" * 8000,
        },
        tags={"version": version, "env": "production"},
    )


def form_of(client: FlaskClient, path: str = "/chest/login", base_url: str | None = None) -> str:
    """Return the form value that protects a page's form."""
    found = re.search(r'name="form" value="([^"]+)"', client.get(path, base_url=base_url).text)
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, token: str = TOKEN, **more: str) -> Any:
    """Log in, and return the response.

    :param more: additional form fields.
    """
    data = {"token": token, "form": form_of(client), **more}
    return client.post("/chest/login", data=data)


def open_client(app: Flask) -> FlaskClient:
    """Return a client that is logged in."""
    client = app.test_client()
    log_in(client)
    return client
