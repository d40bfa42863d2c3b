"""The dashboard in Chromium: charts, filters, links and live updates."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_chest.chests.sql.reader import SQLReader

from ..servers.browser import Browser
from .browsing import is_drawn, picture

pytestmark = pytest.mark.server


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


def test_live(browser: Browser, address: str, served_shop: tuple[Flask, str]) -> None:
    """New requests appear without a reload, and open tables stay open."""
    app, _ = served_shop
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
