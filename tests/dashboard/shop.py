"""A shop with a day of traffic, of which the second half runs a slower release."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask import Flask, g

from flask_chest import Record
from flask_chest.app.state import get_state

from ..apps import make_app

TOKEN = "open sesame"
EVIL = "<script>document.title='hacked'</script>\u202e"
_ROUTES = ("/", "/orders/<int:order_id>", "/products/<slug>", "/search", "/cart", None)


#: All that were made; they are closed when a file's tests are done (``conftest.py``).
MADE: list[Flask] = []


def make_dashboard_app(folder: Path, **config: Any) -> Flask:
    """The shop."""
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
    """Records of the last day."""
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
