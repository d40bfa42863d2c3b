"""The dashboard in Chromium: charts, filters, links, live updates, accessibility."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader
from tests import ROOT

from ..servers.browser import Browser
from .shop import TOKEN, fill, make_dashboard_app

pytestmark = pytest.mark.server
# The pictures of the documentation are only made on demand, so that tests do not change the tree.
PICTURES = os.environ.get("PICTURES")
IMAGES = ROOT / "docs" / "images" if PICTURES else None
GOAL = "/chest/compare?a=1.4.1&b=1.4.2"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
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
    shop: tuple[Flask, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, str]]:
    """A browser that is logged in."""
    with Browser(tmp_path_factory.mktemp("profile"), "--window-size=1280,900") as browser:
        browser.open(shop[1] + GOAL)
        assert browser.url.startswith(f"{shop[1]}/chest/login")
        browser.type("input[name=token]", "wrong")
        browser.press("\ue007")
        browser.until("return document.body.innerText.includes('This token is wrong.')")
        browser.errors()  # the 403 itself
        browser.type("input[name=token]", TOKEN)
        browser.click("main button")
        # The page that it opened before the login.
        browser.until("return location.pathname + location.search == arguments[0]", GOAL)
        yield browser, f"{shop[1]}/chest"


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
    return window[1]


def picture(browser: Browser, name: str) -> None:
    if IMAGES is not None:
        browser.screenshot(IMAGES / name)


def is_drawn(browser: Browser) -> Any:
    """Return whether every chart of the page has pixels."""
    return browser.until(
        """
        const all = [...document.querySelectorAll("figure.chart canvas")];
        return all.length && all.every((canvas) => canvas.width > 0 && canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte));
        """
    )


def test_overview(browser: Browser, address: str) -> None:
    """Charts are drawn, and times are in the browser's time zone."""
    browser.set_time_zone("Asia/Kolkata")
    browser.open(f"{address}/")
    assert is_drawn(browser)
    assert "Times are in Asia/Calcutta" in browser.text() or "Kolkata" in browser.text()
    assert browser.run("return document.querySelectorAll('figure canvas').length") == 2
    assert "/search" in browser.text("#live-part")
    browser.set_time_zone("Europe/Berlin")
    browser.open(f"{address}/")
    is_drawn(browser)
    picture(browser, "overview.png")


def test_typed_times(browser: Browser, address: str) -> None:
    """Typed times are in the browser's time zone; the URL has UTC."""
    browser.set_time_zone("Asia/Kolkata")
    browser.open(f"{address}/")
    browser.type("input[name=since]", "2026-03-20 14:30")
    browser.type("input[name=until]", "2026-03-21")
    browser.press("\ue007")
    browser.until("return new URLSearchParams(location.search).get('since')?.endsWith('Z')")
    asked = browser.run("return Object.fromEntries(new URLSearchParams(location.search))")
    assert asked == {"since": "2026-03-20T09:00:00Z", "until": "2026-03-20T18:30:00Z", "where": ""}
    browser.set_time_zone("America/New_York")
    browser.open(f"{address}/?since=2026-03-20T09:00")
    browser.type("input[name=until]", "2 days")
    browser.press("\ue007")
    browser.until("return location.search.includes('until=2+days')")
    assert "since=2026-03-20T09%3A00&" in browser.url, "what was there is not typed anew"
    browser.open(f"{address}/compare")
    browser.type("input[name=a_since]", "2026-03-08 03:30")  # an hour after the summer began
    browser.press("\ue007")
    browser.until("return location.search.includes('a_since=2026-03-08T07%3A30%3A00Z')")
    browser.set_time_zone("Europe/Berlin")


def test_compare_two_ranges(browser: Browser, address: str) -> None:
    """Compares the two halves of the day; a click on the chart shows requests."""
    browser.open(f"{address}/compare?a_since=20+hours&a_until=11+hours&since=9+hours&chest=sqlite")
    is_drawn(browser)
    first = browser.run("return document.querySelector('#live-part > .scroll tbody tr').innerText")
    assert first.startswith("/search")
    assert "after: p95" in browser.text("figure.chart")
    browser.click("figure.chart .u-over")
    browser.until("return location.pathname.endsWith('/requests')")
    assert "chest=sqlite" in browser.url
    assert browser.run("return document.querySelectorAll('tbody tr').length") > 0


def test_filter_and_click_through_to_one_request(browser: Browser, address: str) -> None:
    """A click on a chart shows the requests of that point; a click on one shows its values."""
    browser.open(f"{address}/")
    browser.type("label input[name=where][placeholder]", "tenant=acme")
    browser.press("\ue007")
    browser.until("return location.search.includes('where=tenant%3Dacme')")
    is_drawn(browser)
    assert "tenant=acme" in browser.text(".chip")
    browser.click("figure.chart .u-over")
    browser.until("return location.pathname.endsWith('/requests')")
    assert "tenant=acme" in browser.text(".chip")
    assert browser.run("return document.querySelectorAll('tbody tr').length") > 0
    picture(browser, "requests.png")
    browser.click("tbody tr a")
    browser.until("return /requests.[0-9a-f]{32}$/.test(location.pathname)")
    assert "acme" in browser.text("main")
    assert "&lt;script&gt;" not in browser.text("main"), "escaped once, not twice"
    assert "<script>document.title" in browser.text("main") or "xxxx" in browser.text("main")
    picture(browser, "request.png")


def test_variables(browser: Browser, address: str) -> None:
    """Numbers are shown as percentiles, words as areas."""
    browser.open(f"{address}/variable?name=total")
    is_drawn(browser)
    picture(browser, "variable-numbers.png")
    browser.open(f"{address}/variable?name=tenant")
    is_drawn(browser)
    assert "umbrella" in browser.text("main")
    picture(browser, "variable-words.png")


PIXELS = """
const canvas = document.querySelectorAll("figure canvas")[arguments[0]];
const copy = document.createElement("canvas");
copy.width = canvas.width, copy.height = canvas.height;
const context = copy.getContext("2d", {willReadFrequently: true});
context.drawImage(canvas, 0, 0);
const {data, width} = context.getImageData(0, 0, copy.width, copy.height);
const painted = (x, y) => data[4 * (y * width + x) + 3] > 60;
const rows = [...Array(canvas.height).keys()], columns = [...Array(width).keys()];
"""


def test_axis_labels_are_complete(browser: Browser, address: str, shop: tuple[Flask, str]) -> None:
    """Long axis labels show their first digit and their sign."""
    _record(shop[0], {"debt": -123_456_789.5}, {"debt": -1.5})
    browser.open(f"{address}/variable?name=debt&since=1+hour")
    is_drawn(browser)
    for chart in (0, 1):
        assert browser.run(
            f"{PIXELS} return rows.every((y) => !painted(0, y) && !painted(1, y))", chart
        )


def test_rare_traffic(browser: Browser, address: str, shop: tuple[Flask, str]) -> None:
    """An interval between two without requests is drawn as a point, since it has no line."""
    _record(shop[0], {"rare": 5})
    browser.open(f"{address}/variable?name=rare&since=1+day")
    is_drawn(browser)
    colour = """
    const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue("--c0").trim()
        .match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16));
    return rows.some((y) => columns.some((x) => {
        const at = 4 * (y * width + x);
        return painted(x, y) && data[at] == r && data[at + 1] == g && data[at + 2] == b;
    }));
    """
    assert browser.run(PIXELS + colour, 1)


def _record(app: Flask, *variables: dict[str, Any]) -> None:
    """Return a record of the last seconds."""
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=20)
    for each in variables:
        identity = "".join(f"{ord(letter):x}" for letter in f"{each}"[:16])[:30]
        chest.write([Record(id=identity, time=time, route="/cart", vars=each)])


def test_very_many_values(browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If each request has a different value, the page stays short and says so."""
    monkeypatch.setattr(SQLReader, "max_records", 1000)
    monkeypatch.setattr(SQLReader, "sample_size", 1000)
    browser.open(f"{address}/variable?name=request_id")
    is_drawn(browser)
    assert "Nearly every request has a different value" in browser.text("main")
    assert browser.run("return document.querySelectorAll('.u-legend tr').length") <= 10
    assert browser.run("return document.querySelectorAll('*').length") < 3000


def test_compare_two_versions(browser: Browser, address: str) -> None:
    """The route that is slower with the second version is highlighted."""
    browser.open(f"{address}/compare")
    browser.type("input[name=a]", "1.4.1")
    browser.type("input[name=b]", "1.4.2")
    browser.press("\ue007")
    browser.until("return location.search.includes('b=1.4.2')")
    is_drawn(browser)
    first = browser.run(
        "return [...document.querySelectorAll('#live-part > .scroll tbody tr')][0].innerText"
    )
    assert first.startswith("/search")
    picture(browser, "compare.png")


def test_live(browser: Browser, address: str, shop: tuple[Flask, str]) -> None:
    """New requests appear without a reload, and open tables stay open."""
    app, _ = shop
    requests = f"{address}/requests?since=5+minutes&where=route%3D%2Fsearch&where=method%3DGET"
    with browser.limit_timers(1500):
        browser.open(requests)
        before = browser.run("return document.querySelectorAll('tbody tr').length")
        browser.run("window.here = true")
        app.test_client().get("/search")
        assert app.extensions["chest"].flush(60)
        rows = "document.querySelectorAll('tbody tr').length"
        browser.until(f"return {rows} > arguments[0] && window.here", before)
        assert "Updated" in browser.text("#updated")
        browser.open(f"{address}/")
        browser.run("window.here = true")
        browser.click("details summary")
        updated = "document.getElementById('updated').textContent"
        browser.run(f"{updated} = ''")
        browser.until(f"return {updated} && window.here")
        assert browser.run("return document.querySelector('details').open")
        is_drawn(browser)
        browser.click("#live")
        assert not browser.run("return document.getElementById('live').checked")


def test_keyboard(browser: Browser, address: str) -> None:
    """Tab reaches every control, the focus is visible, and Enter follows a link."""
    browser.open(f"{address}/")
    browser.press("\ue004")
    assert browser.run("return document.activeElement.className") == "skip"
    seen = []
    for _ in range(40):
        browser.press("\ue004")
        seen.append(
            browser.run(
                "const e = document.activeElement, s = getComputedStyle(e);"
                "return [e.tagName, e.innerText || e.name || e.id, s.outlineStyle !== 'none']"
            )
        )
    assert {"A", "INPUT", "BUTTON", "SUMMARY"} <= {tag for tag, _, _ in seen}
    assert [each for each in seen if not each[2] and each[0] != "BODY"] == []
    browser.run("document.querySelector('nav a[href*=health]').focus()")
    browser.press("\ue007")
    browser.until("return location.pathname.endsWith('/health')")


def test_narrow_and_dark(browser: Browser, address: str) -> None:
    """Pages fit a narrow screen; with a dark scheme they are dark and have enough contrast."""
    browser.prefer("dark")
    for page in ("/", "/variable?name=word", "/requests", "/requests/req-7", "/health", "/compare"):
        browser.resize(500, 900)
        browser.open(address + page)
        wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, page
    browser.open(f"{address}/")
    is_drawn(browser)
    back, fore = browser.run(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    assert contrast(back, fore) > 7
    picture(browser, "narrow-dark.png")
    browser.prefer("light")


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio as WCAG defines it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(f * p for f, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_value_for_each_request(browser: Browser, address: str) -> None:
    """The page of a variable with only distinct values does not freeze."""
    browser.open(f"{address}/variable?name=vars.word&as=words")
    assert is_drawn(browser)
    browser.open(f"{address}/variable?name=request_id&as=words")
    assert is_drawn(browser)
    assert "(others)" in browser.text("main")
    assert browser.run("return document.querySelectorAll('*').length") < 5000


def test_health(browser: Browser, address: str) -> None:
    """Shows the ledger of each chest."""
    browser.open(f"{address}/health")
    assert "ok" in browser.text("tbody")
    picture(browser, "health.png")
