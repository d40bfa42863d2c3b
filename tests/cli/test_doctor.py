"""``flask chest doctor``."""

from __future__ import annotations

import json
from pathlib import Path

from .shop import deliver, lines_of, make_shop, run


def test_a_healthy_app(tmp_path: Path) -> None:
    """Nothing is wrong, the exit status is 0, and no file appears."""
    result = run(make_shop(tmp_path), "doctor")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "ok       chest sqlite: answers, and accepts records" in lines
    assert lines[-1] == "no problems found"
    assert list(tmp_path.iterdir()) == []


def test_an_app_with_records(tmp_path: Path) -> None:
    """An app that has delivered its records has no problem, and keeps them all."""
    app = make_shop(tmp_path)
    app.test_client().get("/")
    deliver(app)
    assert run(app, "doctor").exit_code == 0
    assert len(lines_of(run(app, "export"))) == 1


def test_problems(tmp_path: Path) -> None:
    """Problems come first, each with the line to write, and the exit status is 1."""
    (tmp_path / "text.db").write_bytes(b"text" * 1000)
    folder = tmp_path / "lib" / "site-packages" / "shop"
    app = make_shop(folder, CHEST_CHESTS=[f"sqlite:///{tmp_path / 'text.db'}"])
    result = run(app, "doctor")
    assert result.exit_code == 1
    first, remedy, *_ = result.stdout.splitlines()
    assert first.startswith(f"problem  journal: {folder / 'chest-journal'} is inside site-packages")
    assert remedy.strip() == 'CHEST_JOURNAL_DIR = "/var/lib/shop/chest-journal"'
    assert result.stdout.splitlines()[-1] == "2 problems found"
    assert not folder.exists()


def test_json(tmp_path: Path) -> None:
    """With --json, one object has the number of problems and all findings."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"], CHEST_BUFFER="memory")
    result = run(app, "doctor", "--json")
    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert content["problems"] == 0
    assert {"subject", "text", "remedy", "is_problem"} == content["findings"][0].keys()
