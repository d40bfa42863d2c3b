"""Fixtures of the dashboard tests; closes the apps after the tests of each file."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

from ..servers.browser import Browser
from .browsing import COMPARE
from .shop import MADE, TOKEN, fill, make_dashboard_app


@pytest.fixture(scope="module", autouse=True)
def _close_apps() -> Iterator[None]:
    yield
    for app in MADE:
        if "chest" in app.extensions:
            app.extensions["chest"].close()
    MADE.clear()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A shop with a day of traffic; tests must not change its records."""
    # With an agent, requests of the tests themselves do not reach the store.
    app = make_dashboard_app(tmp_path_factory.mktemp("shop"), CHEST_EXPORTER="agent")
    fill(app)
    return app


@pytest.fixture(scope="module")
def served_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """A served shop with a day of traffic, and its URL."""
    app = make_dashboard_app(tmp_path_factory.mktemp("shop"), CHEST_EXPORT_INTERVAL=0.1)
    fill(app, 5000)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield app, f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join(60)
    app.extensions["chest"].close()


@pytest.fixture(scope="module")
def window(
    served_shop: tuple[Flask, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, str]]:
    """A browser that is logged in."""
    with Browser(tmp_path_factory.mktemp("profile"), "--window-size=1280,900") as browser:
        browser.open(served_shop[1] + COMPARE)
        assert browser.url.startswith(f"{served_shop[1]}/chest/login")
        browser.type("input[name=token]", "wrong")
        browser.press("\ue007")
        browser.until("return document.body.innerText.includes('This token is wrong.')")
        browser.errors()  # the 403 itself
        browser.type("input[name=token]", TOKEN)
        browser.click("main button")
        # The page that it opened before the login.
        browser.until("return location.pathname + location.search == arguments[0]", COMPARE)
        yield browser, f"{served_shop[1]}/chest"


@pytest.fixture
def browser(window: tuple[Browser, str]) -> Iterator[Browser]:
    """A browser; after the test its console must be empty, with requests to the shop only."""
    browser, address = window
    browser.errors()
    browser.requested_urls()
    browser.resize(1280, 900)
    yield browser
    assert browser.errors() == []
    ours = (address.removesuffix("/chest"), "data:")
    assert [url for url in browser.requested_urls() if not url.startswith(ours)] == []
    assert browser.run("return document.title") != "hacked"


@pytest.fixture
def address(window: tuple[Browser, str]) -> str:
    """The URL of the served dashboard."""
    return window[1]
