"""Examples of ``docs/meaning.rst`` that stores once answered differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from flask_chest import Chest, Record
from flask_chest.chests.reader import Reader
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from .asking import erase, to_json, to_query
from .model import Question
from .questions import ENDS, NAMES, NOON

WHOLE = Query(since=ENDS[0], until=ENDS[1])
_numbers = count()

#: Values, a filter, and the values that it finds.
FILTERS: tuple[tuple[list[Any], str, list[Any]], ...] = (
    ([5, 5.0, "5", "5.0", 6], "=5", [5, 5.0, "5"]),
    ([5, 5.0, "5", "5.0", 6], "=5e0", [5, 5.0]),
    ([5, 5.0, "5", "5.0", 6], '="5"', ["5"]),
    ([5, 5.0, "5", "5.0", 6], "!=5", ["5.0", 6]),
    ([1e-7, 1e-8], "=0.0000001", [1e-7]),
    ([1e-7, 1e-8], "=1e-7", [1e-7]),
    ([0.3, 0.1 + 0.2], "=0.3", [0.3]),
    ([2**53, 2**53 + 1, float(2**53)], f"={2**53}", [2**53, float(2**53)]),
    ([2**53, 2**53 + 1, float(2**53)], f">{2**53}", [2**53 + 1]),
    ([2**63 - 1, 2**63 - 2, float(2**63)], f">={2**63 - 1}", [2**63 - 1, float(2**63)]),
    ([2**63 - 1, -(2**63), 0], f"<{2**64}", [2**63 - 1, -(2**63), 0]),
    ([str(2**64), 2**63 - 1], f"={2**64}", [str(2**64)]),
    ([5e-324, 0.0, -5e-324], ">0", [5e-324]),
    ([True, "true", 1, False], "=true", [True, "true"]),
    ([None, "null", 0, ""], "=null", [None, "null"]),
    ([None, "null", 0, ""], '=""', [""]),
    ([None, "null", 0, ""], "=", [None]),
    ([[1, 2], [1.0, 2], [2, 1], "[1, 2]"], "=[1, 2]", [[1, 2], [1.0, 2], "[1, 2]"]),
    ([[1, 2], [1.0, 2], [2, 1], "[1, 2]"], "=[1,2]", [[1, 2], [1.0, 2]]),
    ([{"a": 1, "b": []}, {"b": [], "a": 1.0}, {"a": 1}], '={"b":[],"a":1}', [0, 1]),
    (["İstanbul", "istanbul", "Istanbul"], "~İSTANBUL", ["İstanbul"]),
    (["ΣΟΦΟΣ", "σοφος", "σοφοσ"], "~ΣΟΦΟΣ", ["ΣΟΦΟΣ", "σοφος", "σοφοσ"]),
    (["GROẞ", "groß", "GROSS", "gros"], "~GROẞ", ["GROẞ", "groß", "GROSS"]),
    (["café", "cafe\u0301", "cafe"], "~CAFÉ", ["café", "cafe\u0301"]),
    (["café", "cafe\u0301", "cafe"], "~cafe", ["cafe"]),
    (["café", "cafe\u0301", "CAFÉ"], "=café", ["café"]),
    ([12.5, "12.5", [12.5], True], "~2.5", [12.5, "12.5", [12.5]]),
    (["a_b", "a%b", "axb", "A%B"], "~a%b", ["a%b", "A%B"]),
)


@pytest.fixture
def chest(store: tuple[str, Callable[[str], Chest]]) -> Any:
    """An empty chest."""
    chest = store[1](f"example_{next(_numbers)}")
    yield chest
    chest.close()


def test_filters(chest: Chest) -> None:
    """Each filter finds the values that the page names, and ``forget`` erases them."""
    for number, (values, _, _) in enumerate(FILTERS):
        chest.write(
            [
                Record(
                    id=f"{number:016x}{place:016x}",
                    time=NOON,
                    vars={"v": value},
                    tags={"example": number},
                )
                for place, value in enumerate(values)
            ]
        )
    reader = open_reader(chest)
    for number, (values, text, expected) in enumerate(FILTERS):
        # An index stands for a value that equals another one.
        places = [each if values[0].__class__ is dict else find(values, each) for each in expected]
        wanted = parse_filter(f"v{text}")
        own = parse_filter(f"tags.example={number}")
        query = WHOLE.filtered(wanted, own)
        found = [int(each.id[16:], 16) for each in reader.iter_records(query)]
        assert found == places, (text, values)
        assert erase(chest, query) == len(places)
        assert reader.count(WHOLE.filtered(own)) == len(values) - len(places)
    reader.close()


def find(values: Sequence[Any], wanted: Any) -> int:
    """The place of a value of the same type and spelling."""
    return [repr(each) for each in values].index(repr(wanted))


def test_names(chest: Chest) -> None:
    """Names of any characters: in filters, groups and numbers, and also many filters at once."""
    chest.write([Record(id="1" * 32, time=NOON, vars=dict.fromkeys(NAMES, 7))])
    chest.write([Record(id="2" * 32, time=NOON, vars=dict.fromkeys(NAMES, 0.1 + 0.2))])
    reader = open_reader(chest)
    for name in NAMES:
        field = parse_field(f'vars."{name.replace(chr(34), chr(34) * 2)}"')
        assert reader.count(WHOLE.filtered(parse_filter(f"{field}=7.0"))) == 1, name
        groups = reader.answer(WHOLE.grouped(field)).groups
        assert [group.key for group in groups] == ["0.30000000000000004", "7"], name
    filters = [parse_filter(f"vars.n{number}!=x") for number in range(99)]
    query = WHOLE.filtered(*filters, parse_filter("vars.-x=7"))
    assert (reader.count(query), reader.answer(query).whole.rows) == (1, 1)
    assert set(NAMES) <= set(reader.names(WHOLE))
    reader.close()


def test_columns_contain(chest: Chest) -> None:
    """``~`` of a column that holds no text searches its spelling."""
    chest.write([Record(id="1" * 32, time=NOON, status=503, disconnected=True, duration_ms=12.0)])
    reader = open_reader(chest)
    for text in ("status~03", "disconnected~RU", "duration_ms~12", "sample_rate~1"):
        assert reader.count(WHOLE.filtered(parse_filter(text))) == 1, text
        assert reader.count(WHOLE.filtered(parse_filter(f"{text}.0"))) == 0, text
    reader.close()


def test_small_and_great_numbers(chest: Chest) -> None:
    """Minimum, maximum and percentiles are exact; a sum beyond the greatest double is cut off."""
    chest.write(
        [
            Record(id=f"{place:032x}", time=NOON, vars={"small": small, "great": great})
            for place, (small, great) in enumerate(((1e-12, 1e308), (3e-10, 1e308), (5e-324, 1.5)))
        ]
    )
    reader = open_reader(chest)
    small = reader.answer(to_query(Question(*ENDS, (), None, ("vars", "small")))).whole
    assert (small.low, small.high) == (5e-324, 3e-10)
    assert small.percentiles == [1e-12, 3e-10, 3e-10]
    great = reader.answer(to_query(Question(*ENDS, (), None, ("vars", "great")))).whole
    assert (great.total, great.high) == (1.7976931348623157e308, 1e308)
    reader.close()


def test_values_come_back(chest: Chest) -> None:
    """Each value is exported as the same JSON, by both ways in which PostgreSQL is written to."""
    values: list[Any] = [1e16, 10**16, -0.0, 0.0, 0, 1e-7, 5e-324, 1e308, 2**63 - 1, float(2**63)]
    values += [
        [1e16, [-0.0], 1e22, 2**63 - 1],
        {"a": -0.0},
        "1e16",
        "0.00",
        " -0.0, ",
        1.2345678901234568e18,
    ]
    records = [
        Record(id=f"{place:032x}", time=NOON, vars={"a": value}, tags={"b": value})
        for place, value in enumerate(values)
    ]
    chest.write(records[1:])
    chest.write(records)
    reader = open_reader(chest)
    assert [to_json(each) for each in reader.latest(100)] == [to_json(each) for each in records]
    reader.close()


def test_thousands_of_distinct_texts(chest: Chest) -> None:
    """A filter that only Python can decide has no limit: ClickHouse's queries had 256 KiB."""
    chest.write(
        [
            Record(id=f"{place:032x}", time=NOON, vars={"a": f"{'ß' * 150} {place}"})
            for place in range(1500)
        ]
    )
    reader = open_reader(chest)
    assert reader.count(WHOLE.filtered(parse_filter("a~SSSS 1"))) == 611
    assert reader.answer(WHOLE.filtered(parse_filter("a~S 99"))).whole.rows == 11
    reader.close()


def test_thousands_of_equal_times(chest: Chest) -> None:
    """Pages, lists and counts of records of one moment are complete and in the order of ids."""
    chest.write([Record(id=f"{place:032x}", time=NOON) for place in range(3000)])
    reader = open_reader(chest)
    ids = [each.id for each in reader.iter_records(WHOLE, page=700)]
    assert ids == [f"{place:032x}" for place in range(3000)]
    page = reader.page(WHOLE, after=ids[1500], limit=700)
    assert [each.id for each in page] == ids[800:1500][::-1]
    assert reader.answer(WHOLE).whole.rows == 3000
    reader.close()


def open_reader(chest: Chest) -> Reader:
    """A reader of a chest."""
    reader = chest.reader()
    assert reader is not None
    return reader
