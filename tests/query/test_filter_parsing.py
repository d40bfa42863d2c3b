"""Filters as text, and errors for invalid filters."""

from __future__ import annotations

import pytest

from flask_chest.errors import QueryError
from flask_chest.query.filter_parsing import parse_filter


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("a=1", "=", "1"),
        ("a = b=c", "=", "b=c"),
        ("a!=", "!=", ""),
        ("a>=1e3", ">=", "1e3"),
        ("a~<script>", "~", "<script>"),
        ("a==x", "=", "=x"),
    ],
)
def test_filters(text: str, operator: str, value: str) -> None:
    """A filter has a field, an operator and a value."""
    found = parse_filter(text)
    assert (str(found.field), found.operator, found.value) == ("vars.a", operator, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no filter"),
        ("abc", "is no filter"),
        ("=1", "is no filter"),
        ("a=\0", "is no filter"),
        ("a>b", "expected a number"),
        ("a>nan", "expected a number"),
        ("status=abc", "expected a number"),
        ("disconnected=maybe", "expected true or false"),
        ("time>1", "'since' and 'until'"),
        ("vars=1", "name one of them"),
    ],
)
def test_invalid_filters(text: str, message: str) -> None:
    """An invalid filter is an error before any store is queried."""
    with pytest.raises(QueryError, match=message):
        parse_filter(text)
