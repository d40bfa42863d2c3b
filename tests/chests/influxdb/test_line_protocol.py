"""The encoding of names, tags and times in line protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flask_chest import Record
from flask_chest.chests.influxdb import line_protocol
from flask_chest.chests.influxdb.line_protocol import LineEncoder
from flask_chest.record.json_line import encode
from flask_chest.testing import make_records

[RECORD] = make_records(1)


def encoded(record: Record, **custom_tags: Any) -> str:
    [line] = LineEncoder("m", custom_tags).encode([encode(record)])
    return line.decode()


def test_equal_encoded_names() -> None:
    """Two variables whose encoded names are equal get two fields."""
    line = encoded(replace(RECORD, vars={"status": 1, "var_status": 2, "a\n": 3, "a\u240a": 4}))
    assert " var_status=1,var_status_=2,a\u240a=3,a\u240a_=4," in line


@pytest.mark.parametrize(
    ("value", "tag"),
    [(7, ",of=7,"), (True, ",of=true,"), (0.5, ",of=0.5,"), ([1, 2], ",of=[1\\,2],"), ("", "")],
)
def test_tags_of_any_type(value: object, tag: str) -> None:
    """A tag is encoded as text, and an empty tag is left out."""
    line = encoded(replace(RECORD, tags={}), of=value)
    assert tag in line
    assert ("of=" in line) == bool(tag)


def test_endless_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes and times that left the cache are encoded as before when they come again."""
    monkeypatch.setattr(line_protocol, "_MAX_SERIES", 2)
    monkeypatch.setattr(line_protocol, "_MAX_RECENT", 2)
    encoder = LineEncoder("m", {})
    lines = [encode(replace(each, route=f"/{each.id}")) for each in make_records(9)]
    first = encoder.encode(lines)
    assert encoder.encode(lines) == first
    assert len(set(first)) == 9
