"""Names of fields, and errors for names that are none."""

from __future__ import annotations

import pytest

from flask_chest.errors import QueryError
from flask_chest.query.fields import Field, parse_field


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("route", Field("", "route")),
        ("user_id", Field("vars", "user_id")),
        ("vars.route", Field("vars", "route")),
        ("tags.version", Field("tags", "version")),
        ("order.total", Field("vars", "order.total")),
        ("vars.tags.x", Field("vars", "tags.x")),
    ],
)
def test_fields(text: str, field: Field) -> None:
    """A name of a column is the column; any other name is a variable."""
    assert parse_field(text) == field


@pytest.mark.parametrize("text", ["", " ", "vars", "tags", "vars.", "x" * 256, "a\0b"])
def test_invalid_fields(text: str) -> None:
    """The error has an example of a valid name."""
    with pytest.raises(QueryError, match=r"e\.g\."):
        parse_field(text)
