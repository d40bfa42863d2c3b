"""The dashboard's routes: not recorded by default, and served from the chest that the URL names."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest.app.state import get_state
from flask_chest.testing import capture_records

from .shop import PAGES, fill, make_dashboard_app, open_client


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A shop with all records in its second store; tests must not change them."""
    stores = ["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    folder = tmp_path_factory.mktemp("two")
    app = make_dashboard_app(folder, CHEST_CHESTS=stores, CHEST_EXPORTER="agent")
    get_state(app).chests.reverse()
    fill(app, 200)
    get_state(app).chests.reverse()
    return app


def test_its_own_requests_are_not_recorded(shop: Flask) -> None:
    """Requests of pages and static files leave no records."""
    with capture_records(shop) as records:
        client = open_client(shop)
        for path in ("/", "/requests", "/static/chest.js", "/nowhere"):
            client.get(f"/chest{path}").close()
        client.get("/search")
    assert [record.route for record in records] == [None, "/search"], "the app records the 404"
    shop.extensions["chest"].close()


def test_without_the_slash(shop: Flask) -> None:
    """The prefix without a slash shows the same page and leaves no record."""
    with capture_records(shop) as records:
        answer = open_client(shop).get("/chest?since=1h")
    assert (answer.status_code, records) == (200, [])
    assert 'href="/chest/requests' in answer.text
    shop.extensions["chest"].close()


def test_a_rule_may_record_it(tmp_path: Path) -> None:
    """A rule of the app can record requests of the dashboard."""
    app = make_dashboard_app(
        tmp_path,
        CHEST_BUFFER="none",
        CHEST_RULES=[{"blueprint": "chest_dashboard", "record": True}],
    )
    with capture_records(app) as records:
        app.test_client().get("/chest/login")
    assert [record.route for record in records] == ["/chest/login"]
    app.extensions["chest"].close()


def test_several_stores(tmp_path: Path) -> None:
    """Shows the first readable store, or the store that the URL names."""
    stores: list[Any] = [
        "memory://",
        "sqlite:///one.db",
        {"url": "sqlite:///two.db", "name": "two"},
    ]
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=stores)
    get_state(app).chests.reverse()
    fill(app, 20)
    get_state(app).chests.reverse()
    client = open_client(app)
    assert "No records" in client.get("/chest/").text
    text = client.get("/chest/?chest=two").text
    assert "No records" not in text
    assert "chest=two" in text, "links keep the store"
    assert client.get("/chest/?chest=memory").status_code == 400
    app.extensions["chest"].close()


@pytest.mark.parametrize("path", PAGES)
def test_links_keep_the_store(two_stores: Flask, path: str) -> None:
    """All links, forms and charts of a page keep the store of its URL."""
    given = f"{path}{'&' if '?' in path else '?'}chest=two"
    text = unescape(open_client(two_stores).get(f"/chest{given}").text)
    assert "No records" not in text
    links = re.findall(r'<a href="([^"]*\?[^"]*)"', text) + re.findall(
        r'"requestsUrl": ?"([^"]*)"', text
    )
    assert links
    assert [each for each in links if "chest=two" not in each] == []
    forms = re.findall(r'<form method="get".*?</form>', text, re.DOTALL)
    assert [each for each in forms if 'name="chest" value="two"' not in each] == []
