"""The page on environments: every test that it names exists."""

from __future__ import annotations

import re

from tests import ROOT

PAGE = ROOT / "docs" / "environments.rst"


def test_every_named_test_exists() -> None:
    """A row that says what was tried names a function in a file of the suite."""
    named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    for file, function in named:
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), (
            f"{file}::{function}"
        )


def test_every_row_says_how_it_was_tried() -> None:
    """Each place has a test, or says that it was tried by hand, or that it was not."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [row for row in text.split("\n   * - ")[1:] if not row.startswith("place")]
    for row in rows:
        assert re.search(r"``tests/|by hand|not tried|the whole suite", row), row
