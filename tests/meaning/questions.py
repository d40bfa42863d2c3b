"""Strategies for records and questions that are hard to answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from flask_chest import Record

from .model import Condition, Name, Question, spell

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
ENDS = datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2287, 1, 1, tzinfo=timezone.utc)

NAMES = (
    *("a", "A", "", " ", "-x", "--", "$x", "$", "a.b", ".", "a b", 'a"b', '"', "a\\b", "\\", "'"),
    *("größe", "gro\u0308ße", "é", "e\u0301", "0", "-1", "%24", "%2E", "%", "a=b", "a~", "!", "`"),
    *("[0]", "*", "**", "$.a", "{", "}", ":", '":', "x,y", "?", "\u0001", "\t", "\n", "n" * 255),
    *("vars", "tags", "time", "route", "vars.a", "tags.a", "😀", "id", "_id", "toString", "<>"),
)
NUMBERS = (
    *(0, -0.0, 0.0, 1, 1.0, -1, 5, 5.0, 42, 0.1, 0.3, 0.1 + 0.2, 1e-7, 1e-9, 1e-10, 5e-324),
    *(2.5e-310, 1e16, 10**16, 1e15, 123456789.123456789, 1e22, 1e300, 1.7976931348623157e308),
    *(2**53, 2**53 + 1, float(2**53), 2**63 - 1, -(2**63), 2**63 - 2, float(2**63), 1e308, -1e308),
    *(1234567890123456768, 1234567890123456800, 1.2345678901234568e18, 1.8446744073709552e19),
    *(99.99, 12345.678901234567, -17.25, 3.0000000000000004, 1e17, 9007199254740993, -5e-324),
)
TEXTS = (
    *("5", "5.0", "05", "1e-7", "true", "false", "null", "None", "", " ", " a", "a ", "[1,2]"),
    *("İstanbul", "istanbul", "I", "\u0131", "i", "ΣΟΦΟΣ", "σοφος", "σοφοσ", "GROẞ", "groß"),
    *("café", "cafe\u0301", "cafe", "CAFÉ", "Å", "A\u030a", "\u212b", "\u212a", "k", "\u017f"),
    *('"', '"5"', '""', 'a"b', "%", "_", "a%b", "a_b", "\\", "a\\b", "'", "--", ";", "(", "."),
    *("\u0345", "\u0130", "ŉ", "ᾳ", "\uff21", "😀", "\n", "a\nb", "\u2028", "e\u0301", "é"),
    *("18446744073709551616", "9" * 24, "NaN", "1_000", "\u0663", "+5", ".5", "{}", "{", "[1, 2]"),
    *("admin", "ADMIN", "Admin", "user@example.org", "bob", "Bob", "bob ", "\t", "\u00a0", "^a$"),
    *("ﬁn", "ǰ", "GROSS", "s", "x" * 300, "a\u0001b"),
)
DOCUMENTS: tuple[Any, ...] = (
    *([], {}, [1, 2], [1.0, 2], [2, 1], ["1", 2], [None], [True], [[]], {"a": 1, "b": 0.5}),
    *({"b": 0.5, "a": 1.0}, {"": 0}, {"a.b": {"$x": []}}, {"é": "é"}, {"e\u0301": 1}, ["a b", "ß"]),
    *([1e16], [10**16], [-0.0], [0], {"a": "SS"}, ["\n"], ['"'], ["\\"]),
)

texts = st.sampled_from(TEXTS) | st.text(max_size=6).filter(lambda text: "\0" not in text)
numbers = (
    st.sampled_from(NUMBERS)
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values: st.SearchStrategy[Any] = (
    numbers | texts | st.sampled_from(DOCUMENTS) | st.sampled_from((None, True, False))
)
routes = st.sampled_from(("/", "/orders/<int:id>", "/Orders/<int:id>", "/ß", "", " ", None))


@st.composite
def records(draw: st.DrawFn, names: list[str]) -> Record:
    """One record; its id is replaced by :func:`worlds`."""
    time = draw(
        st.sampled_from(
            (
                NOON,
                NOON + timedelta(microseconds=1),
                NOON - timedelta(hours=1),
                NOON - timedelta(days=1, microseconds=1),
                ENDS[0],
                datetime(2286, 11, 20, 17, 46, 40, tzinfo=timezone.utc),
                datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc),
            )
        )
        | st.integers(0, 7200 * 10**6).map(lambda us: NOON - timedelta(microseconds=us))
    )
    members = st.dictionaries(st.sampled_from(names), values, max_size=len(names))
    return Record(
        id="",
        time=time,
        kind=draw(st.sampled_from(("request", "command", "job"))),
        request_id=draw(st.sampled_from(("", "r", "R", "r ", "null", "5"))),
        method=draw(st.sampled_from((None, "GET", "POST"))),
        route=draw(routes),
        status=draw(st.sampled_from((None, 200, 404, 500, 503))),
        duration_ms=draw(st.sampled_from((None, 0.0, 1e-12, 0.25, 12.0, 12.5, 1e12, 0.1 + 0.2))),
        error=draw(st.sampled_from((None, None, "KeyError", "keyerror"))),
        sample_rate=draw(st.sampled_from((1.0, 1.0, 0.5, 0.1, 0.3))),
        vars=draw(members),
        tags=draw(members),
        bytes_sent=draw(st.sampled_from((None, 0, 7, 2**53))),
        disconnected=draw(st.sampled_from((None, True, False))),
    )


@st.composite
def spellings(draw: st.DrawFn, value: Any) -> str:
    """The value of a filter that may find a value."""
    text = spell(value) or ""
    forms = [text, '"' + text.replace('"', '""') + '"', json.dumps(value), draw(texts)]
    if isinstance(value, float):
        forms += [repr(value), f"{value:.3e}", json.dumps(value).replace("e+", "E+0")]
    if isinstance(value, int):
        forms += [f"{value}.0", f"{value}e0", str(value + 1)]
    if isinstance(value, (list, dict)):
        forms += [
            json.dumps(value, indent=1, ensure_ascii=False),
            json.dumps(value, sort_keys=True),
        ]
    return draw(st.sampled_from(forms)).strip()


@st.composite
def parts(draw: st.DrawFn, value: Any) -> str:
    """The value of a filter with ``~``: a part of a value, in upper or lower case."""
    text = spell(value) or ""
    start = draw(st.integers(0, len(text)))
    part = text[start : draw(st.integers(start, len(text)))]
    return draw(st.sampled_from((part, part.upper(), part.lower(), part.swapcase()))).strip()


@st.composite
def conditions(draw: st.DrawFn, some: list[Record], names: list[str]) -> Condition:
    """A filter that may find some records."""
    field = draw(fields(names))
    record = draw(st.sampled_from(some))
    value = getattr(record, field[0]).get(field[1]) if field[0] else getattr(record, field[1])
    if value is None and draw(st.booleans()):
        value = draw(values)
    sign = draw(st.sampled_from(("=", "=", "!=", "~", "~", ">", ">=", "<", "<=")))
    if field[1] in ("status", "duration_ms", "bytes_sent", "sample_rate") and not field[0]:
        value = value if isinstance(value, (int, float)) else draw(st.sampled_from((0, 200, 12.5)))
        return Condition(field, sign, spell(value) or "0")
    if not field[0] and sign in (">", ">=", "<", "<="):
        sign = "="  # an error
    if field == ("", "disconnected"):
        return Condition(field, sign, draw(st.sampled_from(("true", "false", "null", ""))))
    if sign in (">", ">=", "<", "<="):
        number = value if type(value) in (int, float) else draw(numbers)
        text = json.dumps(number)
        return Condition(field, sign, text)
    return Condition(field, sign, draw(parts(value) if sign == "~" else spellings(value)))


_COLUMNS = (
    *("route", "kind", "request_id", "method", "status", "duration_ms", "error", "sample_rate"),
    *("bytes_sent", "disconnected"),
)


def fields(names: list[str]) -> st.SearchStrategy[Name]:
    """A field: mostly a variable."""
    members = st.tuples(st.sampled_from(("vars", "vars", "tags")), st.sampled_from(names))
    return members | members | st.sampled_from([("", each) for each in _COLUMNS])


def measures(names: list[str]) -> st.SearchStrategy[Name]:
    """A field that may hold numbers."""
    members = st.sampled_from([("vars", each) for each in names])
    return st.sampled_from((("", "duration_ms"), ("", "bytes_sent"), ("", "status"))) | members


@st.composite
def questions(draw: st.DrawFn, some: list[Record], names: list[str]) -> Question:
    """One question."""
    moments = [each.time for each in some]
    since = draw(st.sampled_from((ENDS[0], NOON - timedelta(hours=2), *moments)))
    until = draw(st.sampled_from((ENDS[1], NOON + timedelta(hours=1), *moments)))
    if since >= until:
        since, until = ENDS
    return Question(
        since=since,
        until=until,
        where=tuple(draw(st.lists(conditions(some, names), max_size=2))),
        by=draw(st.none() | fields(names)),
        measure=draw(measures(names)),
    )


@st.composite
def worlds(draw: st.DrawFn, count: int) -> tuple[list[Record], list[Question]]:
    """Records and questions about them.

    :param count: number of questions.
    """
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    some = draw(st.lists(records(names), min_size=1, max_size=16))
    asked = draw(st.lists(questions(some, names), min_size=count, max_size=count))
    return [with_id(each, number) for number, each in enumerate(some)], asked


def with_id(record: Record, number: int) -> Record:
    """A record with an id that is not in the order of the time of others."""
    return replace(record, id=f"{number * 7919 % 65536:04x}{number:028x}")
