"""Records as NDJSON."""

from __future__ import annotations

import pytest

from flask_chest.errors import QueryError
from flask_chest.query.ndjson import from_line, to_line
from flask_chest.record.encoding import encode

from .records import sample_records


def test_round_trip() -> None:
    """Exported lines and lines of the journal are read back as the same records."""
    for record in sample_records(50):
        assert from_line(to_line(record)) == record
        assert from_line(encode(record)) == record


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "expected an object"),
        (b"{}", "'id' is missing"),
        (b'{"id": "1"}', "'time' is missing"),
        (b'{"id": "1", "time": "soon"}', "'time' is no time"),
        (b'{"id": "1", "time": "1900-01-01"}', "'time' is no time"),
        (b'{"id": "1", "time": 99999999999999999999}', "'time' is no time"),
        (b'{"id": "\'; DROP", "time": 1}', "'id' is none"),
        (b'{"id": "1", "time": 1, "vars": []}', "'vars' is not what it should be"),
        (b'{"id": "1", "time": 1, "vars": null}', "'vars' is not what it should be"),
        (b'{"id": "1", "time": 1, "status": "200"}', "'status' is not what it should be"),
        (b'{"id": "1", "time": 1, "sample_rate": 0}', "'sample_rate' must be above 0"),
        (b'{"id": "1", "time": 1, "route": "\\u0000"}', "'route' is not what it should be"),
        (b'{"id": "1", "time": 1, "kind": "' + b"x" * 17 + b'"}', "'kind' is not what"),
    ],
)
def test_invalid_lines(line: bytes, message: str) -> None:
    """The error says why a line is not a record."""
    with pytest.raises(QueryError, match=message):
        from_line(line)
