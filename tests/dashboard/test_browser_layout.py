"""The dashboard in Chromium: legible charts, keyboard, narrow screens and dark mode."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask

from flask_chest import Record
from flask_chest.app.state import get_state

from ..servers.browser import Browser
from .browsing import is_drawn, picture

pytestmark = pytest.mark.server


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


def test_axis_labels_are_complete(
    browser: Browser, address: str, served_shop: tuple[Flask, str]
) -> None:
    """Long axis labels show their first digit and their sign."""
    _record(served_shop[0], {"debt": -123_456_789.5}, {"debt": -1.5})
    browser.open(f"{address}/variable?name=debt&since=1+hour")
    is_drawn(browser)
    for chart in (0, 1):
        assert browser.run(
            f"{PIXELS} return rows.every((y) => !painted(0, y) && !painted(1, y))", chart
        )


def test_rare_traffic(browser: Browser, address: str, served_shop: tuple[Flask, str]) -> None:
    """An interval between two without requests is drawn as a point, since it has no line."""
    _record(served_shop[0], {"rare": 5})
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
