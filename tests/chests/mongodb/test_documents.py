"""Tests how names are encoded in MongoDB's documents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flask_chest.chests.mongodb.documents import decode_name, encode_name


@given(st.text(alphabet="$.%2E45a\0") | st.text())
def test_encoded_names_can_be_decoded(name: str) -> None:
    """Every encoded name decodes to the name and has nothing that MongoDB refuses."""
    encoded = encode_name(name)
    assert decode_name(encoded) == name
    assert "." not in encoded
    assert not encoded.startswith("$")
