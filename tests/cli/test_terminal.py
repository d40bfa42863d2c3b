"""The output of commands on a terminal of 80 columns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

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
