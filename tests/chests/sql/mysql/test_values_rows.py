"""Records as rows of an INSERT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from hypothesis import example, given, settings

from flask_chest.chests.sql.mysql.values_rows import ValuesText
from flask_chest.chests.sql.row_text import COLUMNS
from flask_chest.record.json_line import encode, from_microseconds, loads
from flask_chest.testing import make_records

from ...test_hostile import EVERYTHING, texts, variables, without_nul

# Text with backslash escapes and doubled quotes, or another literal.
_CELL = re.compile(r"'((?:[^'\\]|\\.|'')*)'|([^(),']+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)|''", re.DOTALL)


def rows_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows that MySQL reads, by column, with values of the columns' types."""
    values = ValuesText()
    text = values.join(values.format(lines)).decode()
    found = [_value(*match.groups()) for match in _CELL.finditer(text)]
    width = len(COLUMNS)
    assert len(found) == width * len(lines)
    shape = _CELL.sub("", text)
    assert shape == ",".join(["(" + "," * (width - 1) + ")"] * len(lines))
    starts = range(0, len(found), width)
    return [_typed(dict(zip(COLUMNS, found[at : at + width], strict=True))) for at in starts]


def _value(quoted: str | None, literal: str | None) -> Any:
    if quoted is None:
        return loads(str(literal).lower())
    return _ESCAPED.sub(lambda found: found[1] or "'", quoted)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromisoformat(row["time"]).replace(tzinfo=timezone.utc)
    texts_ = {name: loads(row[name]) for name in ("vars", "tags")}
    return {**row, **texts_, "time": moment, "duration_ms": float(row["duration_ms"])}


@settings(max_examples=settings().max_examples * 4)
@given(variables, texts)
@example(EVERYTHING, "r")
@example({"a": "}", "status": 1, "kind": {"status": 2}}, "x\\},'); DROP TABLE x; --")
def test_any_record(given_: dict[str, Any], text: str) -> None:
    """A row has exactly the values of its record."""
    tags: dict[str, Any] = {"service": text, text: {"status": 1}}
    made = [replace(each, vars=given_, route=text, tags=tags) for each in make_records(3)]
    for request_id in ("plain", text):
        lines = [encode(replace(each, request_id=request_id, error=text)) for each in made]
        decoded = [loads(line) for line in lines]
        expected = [{**each, "time": from_microseconds(each["time"])} for each in decoded]
        assert rows_of(lines) == without_nul(expected)
