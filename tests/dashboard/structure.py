"""Checks the structure of a page: inline code, external URLs, labels, headings, table headers."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Structure(HTMLParser):
    """Collects what a screen reader or a strict content security policy would object to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.tables = self.headed = 0
        self._labels = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"inline: {tag} {attributes}")
        if tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(f"inline: {tag}")
        for name in ("src", "href", "action"):
            if re.match(r"(?i)[a-z]+:|//", given.get(name) or ""):
                self.faults.append(f"elsewhere: {given[name]}")
        if tag == "label":
            self._labels += 1
        if tag == "input" and given.get("type") not in {"hidden"} and not self._labels:
            self.faults.append(f"no label: {attributes}")
        if tag == "a" and not given.get("href"):
            self.faults.append("link without href")
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        self.tables += tag == "table"
        self.headed += tag == "th" and "scope" in given

    def handle_endtag(self, tag: str) -> None:
        self._labels -= tag == "label"
