"""Tests that recorded text cannot control a terminal."""

from __future__ import annotations

import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.record.printable_text import escape_json, printable

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_printable(text: str) -> None:
    """The text keeps its length and its printable characters, and has no other characters."""
    made = printable(text)
    assert made.isprintable()
    assert len(made) == len(text)
    assert all(old == new for old, new in zip(text, made, strict=True) if old.isprintable())


@given(st.dictionaries(texts, texts))
def test_escape_json(value: dict[str, str]) -> None:
    """An escaped document is printable and has the same meaning."""
    document = escape_json(orjson.dumps(value))
    assert document.decode().isprintable()
    assert json.loads(document) == orjson.loads(document) == value


def test_escape_json_beyond_16_bits() -> None:
    """A tag character, which is not printable, becomes two escapes; an emoji stays."""
    assert escape_json('"\U000e0041😀\x9b"'.encode()) == '"\\udb40\\udc41😀\\u009b"'.encode()
