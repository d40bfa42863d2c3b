"""Each row of the table in ``record/value_normalizer.py``, and the limits."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from werkzeug.local import LocalProxy

from flask_chest.config.default_redaction import DEFAULT_REDACT
from flask_chest.record.json_line import dumps
from flask_chest.record.redaction import Redaction
from flask_chest.record.scalar_conversion import NotPlainError, clean_name, placeholder
from flask_chest.record.truncation import CUT
from flask_chest.record.value_normalizer import CYCLE, DEEP, Normalizer

from . import hostile

MAX = 1000


def plain(value: object, max_bytes: int = MAX) -> Any:
    return Normalizer(Redaction(["password", "*token*"]), max_bytes).normalize(value)


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Word(str, Enum):
    HELLO = "hello"


class Nested(Enum):
    PAIR = (1, Color.RED)


@dataclass
class Point:
    x: int
    y: float = math.nan
    tags: set[str] = field(default_factory=set)


Pair = namedtuple("Pair", "first second")
UTC = timezone.utc
IDENTITY = UUID("0193d0d4-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("Grüße 🎁", "Grüße 🎁"),
        ("a\0b", "a\u2400b"),
        ("a\ud800b", "a\ufffdb"),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, "9223372036854775808"),
        (2**70, "1180591620717411303424"),
        (-(2**70), "-1180591620717411303424"),
        (10**5000, "<int of 16610 bits>"),
        (1.5, 1.5),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (True, True),
        (None, None),
        ({"a": 1}, {"a": 1}),
        (
            {1: "a", None: "b", 2.5: "c", False: "d"},
            {"1": "a", "None": "b", "2.5": "c", "False": "d"},
        ),
        ({Color.RED: 1, Level.HIGH: 2, Word.HELLO: 3}, {"red": 1, "3": 2, "hello": 3}),
        ({date(2026, 1, 2): 1, IDENTITY: 2}, {"2026-01-02": 1, str(IDENTITY): 2}),
        ({datetime(2026, 1, 2, tzinfo=UTC): 1}, {"2026-01-02T00:00:00+00:00": 1}),
        ({2**70: 1}, {"1180591620717411303424": 1}),
        ({(1, 2): 1}, {"<builtins.tuple>": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ([1, "a", None], [1, "a", None]),
        ((1, 2), [1, 2]),
        (Pair(1, 2), {"first": 1, "second": 2}),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset("ba"), ["a", "b"]),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (
            datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC).replace(tzinfo=None),
            "2026-01-02T03:04:05.000006",
        ),
        (date(2026, 1, 2), "2026-01-02"),
        (IDENTITY, "0193d0d4-0000-7000-8000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Decimal("NaN"), "NaN"),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Word.HELLO, "hello"),
        (Nested.PAIR, [1, "red"]),
        (Point(1, 2.0, {"b", "a"}), {"x": 1, "y": 2.0, "tags": ["a", "b"]}),
        ({"a": [Point(1)]}, {"a": [{"x": 1, "y": None, "tags": []}]}),
        ({"a": object()}, {"a": "<builtins.object>"}),
        ([b"bytes"], ["<builtins.bytes>"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_form(value: object, expected: object) -> None:
    """Each type has one documented plain form."""
    made = plain(value)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", Point, print, 1j, range(3), iter(()), threading.Lock()],
    ids=lambda value: type(value).__name__,
)
def test_no_plain_form(value: object) -> None:
    """All other types have no plain form."""
    with pytest.raises(NotPlainError):
        plain(value)


def test_a_set_of_mixed_types() -> None:
    """A set that cannot be sorted becomes a list in any order."""
    made = plain({1, "a", None})
    assert sorted(made, key=str) == [1, None, "a"]


def test_cycles() -> None:
    """A value that contains itself ends with a mark; one that occurs twice is stored twice."""
    items: list[Any] = [1]
    items.append(items)
    assert plain(items) == [1, CYCLE]
    mapping: dict[str, Any] = {"items": items}
    mapping["self"] = mapping
    assert plain(mapping) == {"items": [1, CYCLE], "self": CYCLE}
    twice = [1]
    assert plain([twice, twice]) == [[1], [1]]


def test_depth() -> None:
    """Sixteen levels are stored; deeper ones are replaced by a mark."""
    value: Any = "bottom"
    for _ in range(16):
        value = [value]
    assert "bottom" in str(plain(value))
    made = plain([value])
    assert "bottom" not in str(made)
    assert DEEP in str(made)
    assert str(made).count("[") == 16 + 1  # one level is the mark


@pytest.mark.parametrize("letter", ["x", "ü", "🎁"])
def test_a_long_text(letter: str) -> None:
    """A text over the limit is cut between characters, and marked."""
    made = plain(letter * MAX * 2)
    assert made.endswith(CUT)
    kept = made.removesuffix(CUT)
    assert set(kept) == {letter}
    assert MAX - 4 < len(kept.encode()) <= MAX


def test_a_text_at_the_limit() -> None:
    """A text of exactly the limit is stored whole; with one more character it is cut."""
    assert plain("x" * MAX) == "x" * MAX
    assert plain("x" * MAX + "y") == "x" * MAX + CUT


def test_a_long_list() -> None:
    """A list over the limit ends with the mark."""
    made = plain(["x" * 100] * 50)
    assert made[-1] == CUT
    assert len(made) == 11


def test_a_large_dict() -> None:
    """A dict over the limit contains the number of omitted items."""
    value = {f"key{n:04}": "x" * 92 for n in range(50)}
    made = plain(value)
    assert made.pop(CUT) == 50 - len(made)
    assert made == {name: value[name] for name in made}
    assert len(made) == 10


LARGE: list[Callable[[], Any]] = [
    lambda: [""] * 100_000,
    lambda: [None] * 100_000,
    lambda: [[]] * 100_000,
    lambda: [{}] * 100_000,
    lambda: [()] * 100_000,
    lambda: [object()] * 100_000,
    lambda: [True] * 100_000,
    lambda: {frozenset([n]) for n in range(100_000)},
    lambda: dict.fromkeys(range(100_000)),
    lambda: {f"password{n}": "x" for n in range(100_000)},
    lambda: {f"token{n}": "x" for n in range(100_000)},
    lambda: [["password"] * 10] * 100_000,
    lambda: [{"password": 1}] * 100_000,
    lambda: set(range(1_000_000)),
    lambda: "x" * 10_000_000,
    lambda: [[[[[""] * 10] * 10] * 10] * 10] * 10,
]


@pytest.mark.parametrize("make", LARGE)
def test_many_small_things(make: Callable[[], Any]) -> None:
    """The total size stays limited, however small each part is."""
    assert len(dumps(plain(make()))) < MAX * 10


def test_a_list_of_itself() -> None:
    """A list that contains itself a hundred thousand times stays limited."""
    value: list[Any] = []
    value.extend([value] * 100_000)
    assert len(dumps(plain(value))) < MAX * 10


def test_keys_are_redacted_at_any_depth() -> None:
    """A sensitive key is redacted at any depth, in any case, and for values of any type."""
    value = {
        "user": {"PassWord": "x", "deep": [{"api_token": ["x"]}]},
        "password": {"x": "x"},
        "word": "shown",
    }
    assert plain(value) == {
        "user": {"PassWord": "[REDACTED]", "deep": [{"api_token": "[REDACTED]"}]},
        "password": "[REDACTED]",
        "word": "shown",
    }


#: For each default pattern a name that it redacts, and a similar name that it does not.
REDACTED = {
    "password": ("Password", "passport"),
    "passwd": ("passwd", "passers"),
    "pwd": ("PWD", "cwd"),
    "secret": ("secret", "secrecy"),
    "*key": ("api_key", "keyboard"),
    "*token*": ("csrf_token", "tone"),
    "*session*": ("session_id", "season"),
    "*credit*": ("credit_limit", "edit"),
    "*card*": ("card_number", "car"),
    "*auth*": ("x_auth_user", "aunt"),
    "*principal*": ("principal_id", "principle"),
    "set-cookie": ("Set-Cookie", "set-off"),
    "*password*": ("new_password", "compass_word"),
    "*passwd*": ("passwd2", "pass_wd"),
    "*pwd*": ("mysql_pwd", "pw"),
    "*secret*": ("client_secret", "sacred"),
    "*cookie*": ("cookies", "cook"),
    "*nonce*": ("csp_nonce", "once"),
    "*credential*": ("AWS_CREDENTIALS", "credence"),
    "*passphrase*": ("key_passphrase", "phrase"),
    "*jwt*": ("jwt_claims", "jot"),
    "*keys": ("api_keys", "keystroke"),
    "*_key_*": ("private_key_pem", "key_count"),
}


@pytest.mark.parametrize("pattern", DEFAULT_REDACT)
def test_default_patterns(pattern: str) -> None:
    """Each pattern redacts the names it is for, and no name that only looks similar."""
    hidden, spared = REDACTED[pattern]
    alone = Normalizer(Redaction([pattern]), max_bytes=MAX)
    assert alone.normalize({hidden: 1}) == {hidden: "[REDACTED]"}
    together = Normalizer(Redaction(DEFAULT_REDACT), max_bytes=MAX)
    assert together.normalize({hidden: 1, spared: 2}) == {hidden: "[REDACTED]", spared: 2}


def test_a_field_is_redacted() -> None:
    """A field of a dataclass is redacted like a key."""

    @dataclass
    class Login:
        name: str
        password: str

    assert plain(Login("ann", "x")) == {"name": "ann", "password": "[REDACTED]"}


SIMILAR = [
    "api_key_1",
    "api_key1",
    "X-Api-Key-Id",
    "privateKeyPem",
    "SSLKeyFile",
    "private.key.pem",
]


@pytest.mark.parametrize("name", SIMILAR)
def test_words_of_a_name(name: str) -> None:
    """Dashes, dots, capital letters and numbers begin a new word of a name."""
    assert by_default({name: "x"}) == {name: "[REDACTED]"}


def by_default(value: object) -> Any:
    return Normalizer(Redaction(DEFAULT_REDACT), MAX).normalize(value)


def test_a_named_tuple() -> None:
    """A row keeps the names of its fields, which are redacted like keys."""
    row = namedtuple("row", "id password_hash")
    assert by_default(row(1, "x")) == {"id": 1, "password_hash": "[REDACTED]"}
    assert by_default([row(1, "x")]) == [{"id": 1, "password_hash": "[REDACTED]"}]

    class Odd(tuple[int, ...]):
        _fields = ("one",)

    assert by_default(Odd((1, 2))) == [1, 2]


def test_pairs() -> None:
    """The second item of a pair is redacted if the first one is a sensitive name."""
    pairs = [("Host", "x"), ("Cookie", "a=b"), ["authorization", "c"], (b"X-Api-Key", b"d")]
    assert by_default(pairs) == [
        ["Host", "x"],
        ["Cookie", "[REDACTED]"],
        ["authorization", "[REDACTED]"],
        ["<builtins.bytes>", "[REDACTED]"],
    ]
    assert by_default(("password", "x")) == ["password", "[REDACTED]"]
    assert by_default(["password", "x", "y"]) == ["password", "x", "y"]


class Field(Enum):
    PASSWORD = 1
    NAME = 2


KEYS: list[Any] = [b"password", ("login", "password"), Field.PASSWORD, "x" * 300 + "password"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(type(key)))
def test_keys_of_any_type(key: Any) -> None:
    """A key is checked whole and by its content, whatever its type and length."""
    assert list(by_default({key: "hunter2"}).values()) == ["[REDACTED]"]
    assert by_default({Field.NAME: "ann"}) == {"2": "ann"}


def test_a_huge_key() -> None:
    """The value of a key that is too long to check is redacted."""
    assert list(by_default({"x" * 5000: "y"}).values()) == ["[REDACTED]"]


def test_a_key_that_is_cut_is_redacted() -> None:
    """A key that no longer fits is checked by its complete name."""
    made = plain({"filler": "x" * (MAX - 10), "password": 4711})
    assert "4711" not in str(made)


def test_a_key_of_a_subclass() -> None:
    """The exact text of a key counts, whatever its class claims."""

    assert plain({hostile.WordKey("password"): "x"}) == {"password": "[REDACTED]"}


def test_names() -> None:
    """A name is text of at most 255 characters."""
    assert clean_name("a\0\ud800") == "a\u2400\ufffd"
    assert clean_name("x" * 300) == "x" * 255
    assert clean_name(7) == "7"
    assert clean_name((1, 2)) == "<builtins.tuple>"


def test_a_placeholder_runs_no_code() -> None:
    """A placeholder never fails, whatever the class does."""
    assert placeholder(object()) == "<builtins.object>"
    assert placeholder(hostile.Anything()) == "<unknown>"
    named = type("x" * 5000, (), {"__module__": "a\0b"})
    assert placeholder(named()).startswith("<a\u2400b.xxx")
    assert len(placeholder(named())) <= 255


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: hostile.Str("text"), "text"),
        (lambda: hostile.Int(7), 7),
        (lambda: hostile.Int(2**70), str(2**70)),
        (lambda: hostile.Float(1.5), 1.5),
        (lambda: hostile.Dict(a=1), {"a": 1}),
        (lambda: hostile.List([1, 2]), [1, 2]),
        (lambda: hostile.Tuple([1, 2]), [1, 2]),
        (lambda: hostile.Set([1]), [1]),
        (lambda: hostile.Identity(str(IDENTITY)), str(IDENTITY)),
        (lambda: hostile.Number("1.1"), "1.1"),
        (lambda: hostile.Day(2026, 1, 2), "2026-01-02"),
        (lambda: hostile.Choice.ONE, 1),
        (lambda: [hostile.Anything(), 2], ["<unknown>", 2]),
        (lambda: {hostile.Str("key"): 1}, {"key": 1}),
        (lambda: {hostile.Day(2026, 1, 2): 1}, {"2026-01-02": 1}),
        (lambda: [hostile.NoDataclass()], ["<tests.record.hostile.NoDataclass>"]),
        (lambda: [hostile.LateDataclass()], ["<tests.record.hostile.LateDataclass>"]),
        (lambda: hostile.Field(), {"good": 1, "bad": "<SystemExit>"}),
        (lambda: {LocalProxy(lambda: "key"): 1}, {"<werkzeug.local.LocalProxy>": 1}),
        (lambda: [LocalProxy(lambda: "text")], ["<werkzeug.local.LocalProxy>"]),
    ],
)
def test_hostile_classes(make: Callable[[], object], expected: object) -> None:
    """A subclass is read as its base type; its own methods are not called."""
    made = plain(make())
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    "make", [lambda: hostile.Anything(), lambda: datetime(2026, 1, 2, tzinfo=hostile.Zone())]
)
def test_a_value_that_cannot_be_read(make: Callable[[], object]) -> None:
    """A value that raises ``SystemExit`` when it is read has no plain form, and ends nothing."""
    with pytest.raises(NotPlainError):
        plain(make())


def test_a_dict_that_changes_while_it_is_read() -> None:
    """A dict that another thread constantly changes is read as it is at one moment."""
    value: dict[Any, Any] = {n: n for n in range(50)}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            value.update(dict.fromkeys(range(50, 60)))
            for n in range(50, 60):
                del value[n]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(500):
            assert len(plain(value, 10_000)) >= 50
    finally:
        stop.set()
        thread.join()
