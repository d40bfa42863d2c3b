"""The page of a variable."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from flask_chest import Record
from flask_chest.app.state import get_state

from .shop import fill, make_dashboard_app, open_client


@pytest.mark.parametrize(
    ("name", "shown"), [("rare", "numbers"), ("code", "words"), ("status", "numbers")]
)
def test_numbers_or_words(tmp_path: Path, name: str, shown: str) -> None:
    """A variable is shown as numbers if most of its values are numbers."""
    app = make_dashboard_app(tmp_path)
    [chest] = get_state(app).chests
    for number, record in enumerate(fill(app, 40)):
        code = number if number % 4 == 0 else f"c{number}"
        variables = {"code": code, **({"rare": 7} if number == 0 else {})}
        chest.write([replace(record, id=f"{record.id[:-2]}ff", vars=variables)])
    chest.close()
    text = open_client(app).get(f"/chest/variable?name={name}").text
    assert f"Shown as <strong>{shown}</strong>" in text or f"<strong>{shown}</strong></p>" in text
    app.extensions["chest"].close()


def test_a_variable_that_is_always_zero(tmp_path: Path) -> None:
    """Zeros are shown as values; intervals without requests are not shown."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    chest.write([replace(each, vars={"left": 0}) for each in fill(app, 50)])
    now = datetime.now(timezone.utc)
    chest.write([Record(id="1", time=now - timedelta(seconds=1), vars={"left": 0})])
    text = open_client(app).get("/chest/variable?name=left&since=10+minutes").text
    assert "No data." not in text
    assert len(re.findall(r"<tr><th scope=\"row\"><a", text)) == 2, "one interval of each chart"
