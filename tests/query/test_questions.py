"""How questions are written, and how nonsense is answered."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from flask_chest.dashboard.params import MAX_INTERVALS, interval_length
from flask_chest.errors import QueryError
from flask_chest.query.csv import csv_lines
from flask_chest.query.fields import Field, parse_field
from flask_chest.query.filters import parse_filter
from flask_chest.query.ndjson import from_line, to_line
from flask_chest.query.percentiles import Digest, bucket_of, bucket_value
from flask_chest.query.query import Query, parse_time
from flask_chest.record.encoding import encode

from .records import END, many

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


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
    """A column by its name; any other name is a variable's."""
    assert parse_field(text) == field


@pytest.mark.parametrize("text", ["", " ", "vars", "tags", "vars.", "x" * 256, "a\0b"])
def test_no_fields(text: str) -> None:
    """What names nothing is told with what would."""
    with pytest.raises(QueryError, match=r"e\.g\."):
        parse_field(text)


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
    """A name, an operator, a value."""
    found = parse_filter(text)
    assert (str(found.field), found.operator, found.value) == ("vars.a", operator, value)


@pytest.mark.parametrize(
    ("text", "told"),
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
def test_no_filters(text: str, told: str) -> None:
    """Nonsense is told at once, before a store is asked."""
    with pytest.raises(QueryError, match=told):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NOW),
        ("now", NOW),
        ("2 hours", NOW - timedelta(hours=2)),
        ("30 days ago", NOW - timedelta(days=30)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2026-11-20T14:30+01:00", datetime(2026, 11, 20, 13, 30, tzinfo=timezone.utc)),
        ("2026-11-20 14:30", datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)),
        ("2026-11-20T14:30:00Z", datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    """Durations are reckoned back from now; a time without a zone is UTC."""
    assert parse_time(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-13-01", "-1 days", "1e999 days", "0001-01-01T00:00+23:59"]
)
def test_no_moments(text: str) -> None:
    """Nonsense is told with what is allowed."""
    with pytest.raises(QueryError, match="2 hours"):
        parse_time(text, NOW)


def test_an_empty_range() -> None:
    """A range that ends before it begins is refused, with both ends."""
    with pytest.raises(QueryError, match="2026-11-21 12:00:00 UTC"):
        Query(since=NOW, until=NOW)


@pytest.mark.parametrize("seconds", [0.5, 900, 86_400, 365 * 86_400, 2.5e11])
def test_a_range_has_few_intervals(seconds: float) -> None:
    """However long it is, so that a chart of thousands of years is a chart."""
    assert seconds / interval_length(seconds) <= MAX_INTERVALS


def test_percentiles_are_within_two_percent() -> None:
    """However the values are spread, and in whatever parts they were counted."""
    chance = random.Random(1)
    draws: tuple[Callable[[], float], ...] = (
        lambda: chance.expovariate(1),
        lambda: chance.lognormvariate(3, 4),
        lambda: chance.uniform(-100, 1),
        lambda: float(chance.randrange(3)),
    )
    for draw in draws:
        values = sorted(draw() for _ in range(5000))
        whole = Digest()
        for start in range(0, 5000, 1000):
            part = Digest()
            for value in values[start : start + 1000]:
                part.add(bucket_of(value), 1)
            whole.merge(part)
        for fraction, found in zip((0.5, 0.99), whole.percentiles((0.5, 0.99)), strict=True):
            true = values[int(fraction * 5000) - 1]
            assert found == pytest.approx(true, rel=0.021, abs=1e-9)


def test_buckets_sort_as_their_values_do() -> None:
    """Negative values, zero and tiny ones too."""
    values = [-1e12, -5.0, -1e-6, 0.0, 1e-12, 1e-6, 0.5, 1.0, 7.0, 1e15]
    codes = [bucket_of(value) for value in values]
    assert codes == sorted(codes)
    assert all(bucket_value(bucket_of(v)) == pytest.approx(v, rel=0.02, abs=1e-9) for v in values)
    assert Digest().percentiles((0.5,)) == [None]


def test_lines_come_back() -> None:
    """What is exported is imported as it was; a line of the journal, too."""
    for record in many(50):
        assert from_line(to_line(record)) == record
        assert from_line(encode(record)) == record


@pytest.mark.parametrize(
    ("line", "told"),
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
def test_lines_that_are_no_records(line: bytes, told: str) -> None:
    """Each is refused with what is wrong."""
    with pytest.raises(QueryError, match=told):
        from_line(line)


def test_csv_holds_no_formulas() -> None:
    """Words that a spreadsheet would run get a ' in front; numbers stay numbers."""
    words = ["=cmd()", "+1", "-1", "@x", "\t=1", " =1", "plain"]
    records = [
        replace(each, vars={"word": word, "n": -5, "=x": 1})
        for each, word in zip(many(7), words, strict=True)
    ]
    text = b"".join(csv_lines(records, ["word", "n", "=x"])).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["vars.word"] for row in rows] == [f"'{word}" for word in words[:6]] + ["plain"]
    assert {row["vars.n"] for row in rows} == {"-5"}
    assert json.loads(rows[0]["vars"]) == {"word": "=cmd()", "n": -5, "=x": 1}
    assert rows[0]["time"] == f"{END - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    assert all(not cell.startswith("=") for row in rows for cell in row.values())
