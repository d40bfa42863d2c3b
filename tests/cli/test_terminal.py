"""The output of commands on a terminal of 80 columns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from flask import g

from .shop import make_shop, run
from .terminal import APP, Terminal, visit


@pytest.mark.parametrize("command", ["stats", "export"])
def test_in_a_terminal(tmp_path: Path, command: str) -> None:
    """The table fits into 80 columns, and no progress bar is mixed with exported records."""
    (tmp_path / "shop.py").write_text(APP)
    app = make_shop(tmp_path)
    visit(app, 1, 2, 3)
    app.extensions["chest"].close()
    line = [sys.executable, "-m", "flask", "--app", "shop", "chest", command]
    terminal = Terminal(line, tmp_path)
    try:
        text = terminal.read_all()
    finally:
        terminal.close()
    if command == "export":
        assert [json.loads(line)["vars"]["order_id"] for line in text.splitlines()] == [1, 2, 3]
        return
    assert "mean ms" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "trend" not in text
    assert "trend" in run(app, "stats").stdout, "not on a terminal"


# DEL, CSI as one C1 character, a carriage return, "right-to-left override", a zero-width space.
_CONTROL = "a\x7fb\x9b2Jc\rd\u202ee\u200bf"


@pytest.mark.server
@pytest.mark.parametrize(
    "arguments",
    [
        ["export"],
        ["export", "--format", "csv", "--column", "text"],
        ["tail", "--no-follow", "--json"],
        ["tail", "--no-follow"],
        ["show", "--json", "the-request"],
        ["show", "the-request"],
        ["stats", "--by", "vars.text", "--json"],
        ["stats", "--by", "vars.text"],
    ],
)
def test_control_characters_in_a_terminal(tmp_path: Path, arguments: list[str]) -> None:
    """No command prints a recorded control character raw. JSON has its escape instead."""
    (tmp_path / "shop.py").write_text(APP)
    app = make_shop(tmp_path)

    @app.get("/hostile")
    def hostile() -> str:
        g.text = _CONTROL
        return ""

    app.test_client().get("/hostile", headers={"X-Request-ID": "the-request"})
    app.extensions["chest"].flush(60)
    app.extensions["chest"].close()
    terminal = Terminal(
        [sys.executable, "-m", "flask", "--app", "shop", "chest", *arguments], tmp_path
    )
    try:
        text = terminal.read_all()
    finally:
        terminal.close()
    assert "b" in text
    # Commands colour their own output.
    found = {each for each in text if not each.isprintable()} - {"\n", "\r", "\x1b"}
    assert not found
    assert "c\rd" not in text
