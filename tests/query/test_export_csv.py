"""Records as CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

from flask_chest.query.export_csv import csv_lines

from .records import END, sample_records


def test_formulas_are_escaped() -> None:
    """Text that a spreadsheet would run as a formula is prefixed with '; numbers are not."""
    words = ["=cmd()", "+1", "-1", "@x", "\t=1", " =1", "plain"]
    records = [
        replace(each, vars={"word": word, "n": -5, "=x": 1})
        for each, word in zip(sample_records(7), words, strict=True)
    ]
    text = b"".join(csv_lines(records, ["word", "n", "=x"])).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["vars.word"] for row in rows] == [f"'{word}" for word in words[:6]] + ["plain"]
    assert {row["vars.n"] for row in rows} == {"-5"}
    assert json.loads(rows[0]["vars"]) == {"word": "=cmd()", "n": -5, "=x": 1}
    assert rows[0]["time"] == f"{END - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    assert all(not cell.startswith("=") for row in rows for cell in row.values())
