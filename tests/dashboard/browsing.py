"""Helpers of the browser tests: pictures of pages, and whether charts are drawn."""

from __future__ import annotations

import os
from typing import Any

from tests import ROOT

from ..servers.browser import Browser

COMPARE = "/chest/compare?a=1.4.1&b=1.4.2"

# The pictures of the documentation are only made on demand, so that tests do not change the tree.
PICTURES = os.environ.get("PICTURES")
IMAGES = ROOT / "docs" / "images" if PICTURES else None


def picture(browser: Browser, name: str) -> None:
    """Save a picture for the documentation, if the run makes pictures."""
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
