"""``flask chest show``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flask import Flask

from flask_chest.app.state import get_state

from ..query.records import sample_records
from .shop import lines_of, make_shop, run


def test_show(shop: Flask) -> None:
    """Shows every column, variable and tag, with safe text."""
    record = sample_records()[8]
    lines = run(shop, "show", "request-8").stdout.splitlines()
    values = {line.split("  ")[0].strip(): line.split("  ")[-1].strip() for line in lines}
    assert values["id"] == record.id
    assert values["vars.mixed"] == "\N{REPLACEMENT CHARACTER}<b>"
    assert values["tags.version"] == "1.0"
    both = run(shop, "show", f"{4:032x}").stdout
    assert [part.splitlines()[0].split() for part in both.split("\n\n")] == [
        ["id", each.id] for each in sample_records()[9:7:-1]
    ]
    [found] = lines_of(run(shop, "show", record.id, "--json"))
    assert found["vars"] == record.vars
    assert len(lines_of(run(shop, "show", f"{4:032x}", "--json"))) == 2, "both records of the trace"


def test_show_an_id_with_many_records(tmp_path: Path) -> None:
    """Shows the oldest records, and a note that there are more."""
    app = make_shop(tmp_path)
    [chest] = get_state(app).chests
    chest.write([replace(each, request_id="retry") for each in sample_records(51)])
    chest.close()
    result = run(app, "show", "retry", "--json")
    assert len(lines_of(result)) == 50
    assert "these are the oldest 50" in result.stderr
    assert run(app, "show", "--json", sample_records(1)[0].id).stderr == ""
