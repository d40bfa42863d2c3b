"""The pages of requests and of a single request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader

from .shop import EVIL, make_dashboard_app, open_client
from .structure import Structure


@pytest.mark.parametrize("identity", ["nowhere", "..", "%00", "a" * 500, quote(EVIL)])
def test_unknown_requests(tmp_path: Path, identity: str) -> None:
    """Unknown ids are answered with 404, whatever they contain."""
    app = make_dashboard_app(tmp_path)  # some paths are not the dashboard's, and are recorded
    answer = open_client(app).get(f"/chest/requests/{identity}")
    assert answer.status_code == 404
    assert "<script>document" not in answer.text
    assert Structure(answer.text).faults == []
    app.extensions["chest"].close()


def test_one_request(shop: Flask) -> None:
    """Shows all values of a record, with invisible characters as escapes."""
    client = open_client(shop)
    text = client.get("/chest/requests/req-7").text
    assert "&lt;script&gt;" in text
    assert r"\u202e" in text
    assert "production" in text


def pages_of_requests(app: Flask, query: str) -> Iterator[str]:
    """Yield a page of requests and all pages that its links lead to."""
    client = open_client(app)
    path: str | None = f"/chest/requests?{query}"
    while path:
        text = client.get(path).text
        yield text
        found = re.search(r'<a href="([^"]+)" rel="next"', text)
        path = "/chest/requests" + unescape(found[1]) if found else None


def listed_on(page: str) -> list[str]:
    return re.findall(r"/chest/requests/([0-9a-f]{32})\?", page)


def test_pages_of_requests(shop: Flask) -> None:
    """Links lead to older requests; each request is on one page."""
    pages = pages_of_requests(shop, "where=tenant%3Dacme&where=route%3D%2Fsearch")
    seen = [identity for page in pages for identity in listed_on(page)]
    assert len(seen) == len(set(seen)) > 100


def test_a_rare_filter(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page searches a part of the range; links lead on until the range ends."""
    monkeypatch.setattr(SQLReader.scan_start, "__defaults__", (500,))
    pages = list(pages_of_requests(shop, "since=2+days&where=request_id~req-2999"))
    assert 5 < len(pages) < 10
    assert sum(len(listed_on(page)) for page in pages) == 1


def test_records_of_one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a page ends within a second, the next page continues there."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    second = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=5)
    chest.write(
        [
            Record(id=f"{number:032x}", time=second + timedelta(milliseconds=number), method="GET")
            for number in range(1000)
        ]
    )
    monkeypatch.setattr(SQLReader.scan_start, "__defaults__", (300,))
    pages = pages_of_requests(app, "where=request_id%3D&where=method%3DGET")
    seen = [identity for page in pages for identity in listed_on(page)]
    assert sorted(seen) == [f"{number:032x}" for number in range(1000)]


@pytest.mark.parametrize(
    ("value", "shown", "is_linked"),
    [("bob", "bob", True), ("bob ", '"bob "', False), ("", '""', False), (" ", '" "', False)],
)
def test_only_values_that_filters_can_match_are_links(
    tmp_path: Path, value: str, shown: str, is_linked: bool
) -> None:
    """Values that a filter cannot match, such as empty ones, are not links."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=1)
    chest.write([Record(id="1", time=time, vars={"who": value}), Record(id="2", time=time)])
    client = open_client(app)
    text = unescape(client.get("/chest/variable?name=who&as=words").text)
    assert f"<bdi>{shown}</bdi>" in text
    assert ("where=vars.who%3Dbob" in text) == is_linked
    one = unescape(client.get("/chest/requests/1").text)
    assert ("requests with this value" in one) == is_linked
