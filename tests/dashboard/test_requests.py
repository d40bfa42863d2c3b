"""The pages of requests and of a single request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from typing import Any
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
    ("value", "shown"),
    [
        *(("bob", "bob"), ("bob ", '"bob "'), ("", '""'), (" ", '" "'), ("5.0", "5.0")),
        *(("null", "null"), ("[1, 2]", "[1, 2]"), ([1, 2], "[1,2]"), (1e16, "1" + "0" * 16)),
        *((0.1, "0.1"), (True, "true"), ('"', '"'), ("a=b", "a=b")),
    ],
)
def test_links_of_values(tmp_path: Path, value: Any, shown: str) -> None:
    """The link of a value finds its record, and no other; also if filters read it differently."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=1)
    others: list[Any] = [value, None, 5, "2", False, 1e15, [2, 1], {"a": "bob"}, "bo"]
    chest.write(
        [
            Record(id=f"{number:032x}", time=time, vars={"a = b": other})
            for number, other in enumerate(others)
        ]
    )
    client = open_client(app)
    name = quote('vars."a = b"')
    of_group = client.get(f"/chest/variable?name={name}&as=words").text
    of_record = client.get(f"/chest/requests/{0:032x}").text
    linked = re.findall(r'href="(/chest/requests/?\?[^"]+)"><bdi>([^<]*)</bdi>', of_group)
    [group] = [unescape(link) for link, text in linked if unescape(text) == shown]
    [more] = re.findall(r'href="([^"]+)">requests with this value', of_record)
    for link in (group, unescape(more)):
        assert listed_on(client.get(link).text) == ["0" * 32], link
