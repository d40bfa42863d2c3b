"""Records as NDJSON."""

from __future__ import annotations

import orjson
import pytest

from flask_chest.errors import QueryError
from flask_chest.query.export_ndjson import from_line, to_line
from flask_chest.record.json_line import FIELDS, encode

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
        (b'{"id": "1", "time": 1, "vars": []}', "'vars' is of type list; expected an object"),
        (b'{"id": "1", "time": 1, "vars": null}', "'vars' is null"),
        (b'{"id": "1", "time": 1, "status": "200"}', "'status' is of type str; expected a number"),
        (b'{"id": "1", "time": 1, "status": true}', "'status' is of type bool"),
        (b'{"id": "1", "time": 1, "status": 9223372036854775808}', "'status' is out of range"),
        (b'{"id": "1", "time": 1, "sample_rate": 0}', "'sample_rate' is out of range"),
        (b'{"id": "1", "time": 1, "sample_rate": 5e-324}', "'sample_rate' is out of range"),
        (b'{"id": "1", "time": 1, "duration_ms": 1e308}', "'duration_ms' is out of range"),
        (b'{"id": "1", "time": 1, "duration_ms": -1}', "'duration_ms' is out of range"),
        (b'{"id": "1", "time": -5}', "'time' is no time"),
        (b'{"id": "1", "time": 9999999999999999}', "'time' is no time"),
        (b'{"id": "1", "time": 1, "route": "\\u0000"}', "'route' contains a NUL"),
        (b'{"id": "1", "time": 1, "route": "' + b"x" * 5000 + b'"}', "'route' is too long"),
        (b'{"id": "1", "time": 1, "kind": "' + b"x" * 17 + b'"}', "'kind' is too long"),
    ],
)
def test_invalid_lines(line: bytes, message: str) -> None:
    """The error says why a line is not a record."""
    with pytest.raises(QueryError, match=message):
        from_line(line)


def test_missing_fields_have_their_defaults() -> None:
    """A record of only id and time is encoded as a complete line, which every store takes."""
    record = from_line(b'{"id": "1", "time": 5, "later": 1, "vars": {"deep": ' + DEEP + b"}}")
    values = orjson.loads(encode(record))
    assert values.keys() == set(FIELDS)
    assert (values["request_id"], values["kind"], values["sample_rate"]) == ("", "request", 1.0)
    assert "deep" in values["vars"]
    assert b"[" * 20 not in encode(record), "no deeper than capture allows"


DEEP = b"[" * 100 + b"]" * 100
