"""The compare page."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flask import Flask

from flask_chest import Record
from flask_chest.app.state import get_state

from .shop import make_dashboard_app, open_client


def test_compare(shop: Flask) -> None:
    """The route whose p95 grew most is first."""
    text = open_client(shop).get("/chest/compare?a=1.4.1&b=1.4.2").text
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text, re.DOTALL)
    routes = [row for row in rows if "<time" not in row]
    assert "/search" in routes[0]
    assert "bad" in routes[0]


def test_compare_with_the_range_before(tmp_path: Path) -> None:
    """Each request of the two ranges is on exactly one side."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    now = datetime.now(timezone.utc)
    chest.write(
        [
            Record(id=f"{minute:032x}", time=now - timedelta(minutes=minute), route="/every/minute")
            for minute in range(1, 1400)
        ]
    )
    text = open_client(app).get("/chest/compare?since=12+hours&a_since=1+day").text
    [row] = re.findall(r"/every/minute</bdi></a></th>(.*?)</tr>", text, re.DOTALL)
    before, _, _, after, *_ = re.findall(r'<td class="n">([^<]*)</td>', row)
    assert int(before) + int(after.replace(",", "")) == 1399


def test_compare_many_routes(tmp_path: Path) -> None:
    """A route that is rare on one side has values on both sides."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=1)
    records = []
    for number, version in enumerate(("1", "2")):
        for route in range(80):
            count = 1 + (route if version == "1" else 80 - route) % 7
            records += [
                Record(
                    id=f"{number}{route:03}{each:03}",
                    time=time,
                    route=f"/{route}",
                    duration_ms=5.0 + number,
                    tags={"version": version},
                )
                for each in range(count)
            ]
    chest.write(records)
    text = open_client(app).get("/chest/compare?a=1&b=2").text
    assert '<td class="n">\N{EN DASH}</td>' not in text
    assert text.count("+20 %") > 50
