"""``flask chest prune``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from flask_chest.app.state import get_state
from flask_chest.cli import chest as chest_group

from ..query.records import END, sample_records
from .shop import lines_of, make_shop, records_left, run


def test_prune(tmp_path: Path) -> None:
    """Deletes records older than the retention, after a confirmation."""
    app = make_shop(tmp_path, CHEST_RETENTION="6 hours")
    [chest] = get_state(app).chests
    now = datetime.now(timezone.utc)
    chest.write([replace(each, time=now - (END - each.time)) for each in sample_records()])
    chest.close()
    asked = app.test_cli_runner().invoke(chest_group, ["prune"], input="n\n")
    assert asked.exit_code == 1
    assert "delete records older than" in asked.output
    assert records_left(app) == 600
    [report] = lines_of(run(app, "prune", "--yes", "--json"))
    assert 177 <= report["deleted"]["sqlite"] <= 243, "whole hours are deleted"
    assert records_left(app) == 600 - report["deleted"]["sqlite"]
    assert run(app, "prune", "--older-than", "1 hour", "--yes").stdout.endswith(" deleted\n")
    assert 57 <= records_left(app) <= 123


def test_prune_of_a_store_that_cannot_delete(tmp_path: Path) -> None:
    """The output differs for a store that cannot delete and one without old records."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://", "sqlite:///chest.db"])
    output = run(app, "prune", "--older-than", "1 day", "--yes").stdout
    assert output == "memory: cannot delete\nsqlite: 0 deleted\n"
