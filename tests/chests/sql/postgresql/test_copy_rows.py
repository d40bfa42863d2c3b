"""Records as rows of COPY."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flask import Response, g, stream_with_context
from hypothesis import example, given, settings

from flask_chest.chests.sql.postgresql.copy_rows import CopyText
from flask_chest.chests.sql.row_text import COLUMNS
from flask_chest.record.json_line import FIELDS, dumps, encode, from_microseconds, loads
from flask_chest.testing import make_records
from tests.apps import Site

from ...influxdb.test_line_templates import SOME_TRACE, captured
from ...test_hostile import EVERYTHING, texts, variables, without_nul

_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def cells(text: bytes) -> list[list[str | None]]:
    """The cells that PostgreSQL reads."""
    rows = [line.split("\t") for line in text.decode().removesuffix("\n").split("\n")]
    return [[None if cell == r"\N" else _unescape(cell) for cell in row] for row in rows]


def _unescape(cell: str) -> str:
    return re.sub(r"\\(.)", lambda found: _UNESCAPED[found[1]], cell)


def rows_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Rows by column, with values of the columns' types."""
    return [_typed(row) for row in cells(b"".join(CopyText().parts(lines)))]


def _typed(row: Sequence[str | None]) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    moment = found["time"].removesuffix("+00:00").removesuffix("+00")
    found["time"] = datetime.fromisoformat(f"{moment}+00:00")
    for name in ("vars", "tags", "status", "duration_ms", "sample_rate", "disconnected"):
        found[name] = None if found[name] is None else loads(found[name])
    found["bytes_sent"] = None if found["bytes_sent"] is None else int(found["bytes_sent"])
    return found


def expected(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    decoded = [loads(line) for line in lines]
    return [
        without_nul({**values, "time": from_microseconds(values["time"])}) for values in decoded
    ]


def test_captured_records(site: Site) -> None:
    """Plain requests, streams, failures and traced requests become rows."""
    site.app.config["PROPAGATE_EXCEPTIONS"] = False

    @site.app.get("/plain/<int:number>")
    def plain(number: int) -> str:
        g.number, g.name, g.fraction, g.cached = number, "a\tname\\", 0.5, True
        g.inner = {"status": 1, "list": [{}]}
        return "ok" if number else str(1 / number)

    @site.app.get("/stream")
    def stream() -> Response:
        g.number = 1
        return Response(stream_with_context(iter(["a", "b"])))

    lines = captured(site)
    for path in ("/plain/7", "/plain/0", "/stream", "/nowhere", "/plain/8"):
        site.client.get(path, headers=SOME_TRACE if path == "/plain/8" else {}).close()
    assert len(lines) == 5
    assert rows_of(lines) == expected(lines)
    assert len(CopyText()._split(lines)) == len(lines)


@settings(max_examples=settings().max_examples * 4)
@given(variables, texts)
@example(EVERYTHING, "r")
@example({"a": "}", "status": 1, "kind": {"status": 2}}, 'x\\},"status":200')
def test_any_record(given_: dict[str, Any], text: str) -> None:
    """A row has the same values as its record."""
    tags: dict[str, Any] = {"service": text, text: {"status": 1}}
    made = [replace(each, vars=given_, route=text, tags=tags) for each in make_records(3)]
    lines = [encode(replace(each, error=text, status=None)) for each in made]
    assert rows_of(lines) == expected(lines)


def test_parts() -> None:
    """Rows come in parts, so that one part is sent while the next one is formatted."""
    lines = [encode(record) for record in make_records(1000)]
    parts = list(CopyText().parts(lines))
    assert len(parts) > 1
    assert cells(b"".join(parts)) == [row for part in parts for row in cells(part)]


def test_cache_is_limited() -> None:
    """An endless number of routes does not fill the memory."""
    text = CopyText()
    for number in range(5000):
        [record] = make_records(1)
        list(text.parts([encode(replace(record, route=f"/{number}"))]))
    assert len(text._tails) < 5000


[_RECORD] = make_records(1)
_LINE = encode(_RECORD)


@pytest.mark.parametrize(
    "line",
    [
        encode(replace(_RECORD, request_id='a"b\\\t')),
        encode(replace(_RECORD, duration_ms=None)),
        encode(replace(_RECORD, time=datetime.fromisoformat("1999-01-01T00:00:00+00:00"))),
        encode(replace(_RECORD, tags={"a": {}, "status": 2, "b": "\0\t\\"})),
        dumps(dict(sorted(loads(_LINE).items()))),
        _LINE.replace(b"{", b"{ "),
        _LINE[:-1] + b', "later": {"vars": {}, "status": 1}}',
    ],
)
def test_other_layouts(line: bytes) -> None:
    """A batch with a line of another layout is decoded."""
    lines = [_LINE, line, _LINE]
    known = [{name: values[name] for name in FIELDS} for values in expected(lines)]
    assert rows_of(lines) == known


@pytest.mark.parametrize(
    "lines",
    [
        [b""],
        [b"no JSON"],
        [b"[]"],
        [b"1"],
        [_LINE.replace(b'"time"', b'"moment"')],
        [_LINE.replace(b'"text":"', b'"text":"\t')],
        [_LINE + b"\n" + _LINE],
        [_LINE + b"\n" + _LINE, b"lost"],
        [re.sub(rb'"time":\d+', b'"time":%d' % 10**30, _LINE)],
    ],
)
def test_invalid_lines(lines: list[bytes]) -> None:
    """A batch with a line that is not a record is an error."""
    with pytest.raises(ValueError, match=r"record|JSON|column|char"):
        list(CopyText().parts(lines))
