"""Whatever value a view puts on ``g``, the request is answered and the other values are stored."""

from __future__ import annotations

import gc
import json
import math
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, NoReturn

import pytest
import sqlalchemy
import sqlalchemy.orm
from flask import current_app, g
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from werkzeug.local import LocalProxy

from flask_chest.chests.memory import MemoryChest
from flask_chest.config.default_redaction import DEFAULT_REDACT
from flask_chest.record.batch import encoded_lines
from flask_chest.record.record import Record

from ..apps import Site
from . import hostile

MAX_RECORD_BYTES = 64 * 1024


class LineChest(MemoryChest):
    """Keeps the last line unchanged."""

    line = b""

    def write(self, records: Sequence[Record]) -> None:
        [self.line] = encoded_lines(records)


class ManySite(Site):
    """An app with one view, which puts given values on ``g``."""

    def __init__(self, folder: Any, **config: Any) -> None:
        super().__init__(folder, **config)
        self.store: LineChest = LineChest()
        self.values: list[tuple[str, Any]] = []

        @self.app.get("/")
        def view() -> str:
            for name, value in self.values:
                setattr(g, name, value)
            return "done"

        self.app.testing = True
        self.own_client = self.app.test_client()

    def visit(self, *values: tuple[str, Any]) -> dict[str, Any]:
        """Return the stored variables, after checking the response and the line."""
        self.values = list(values)
        assert self.own_client.get("/").text == "done"
        del self.values
        [record] = self.records
        self.records.clear()
        line = self.store.line
        assert len(line) <= MAX_RECORD_BYTES
        assert b"\n" not in line
        assert b"\0" not in line
        stored: dict[str, Any] = json.loads(line.decode(), parse_constant=refuse_constant)["vars"]
        assert stored == record.vars
        assert "\0" not in str(stored)
        return stored


def refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManySite]:
    with ManySite(tmp_path_factory.mktemp("instance")).recording() as site:
        assert isinstance(site, ManySite)
        yield site


@pytest.fixture(scope="module")
def naming_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManySite]:
    folder = tmp_path_factory.mktemp("instance")
    with ManySite(folder, CHEST_TRACKED_VARS=["before", "value", "after"]).recording() as site:
        assert isinstance(site, ManySite)
        yield site


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {"n": 1}
    value["self"] = [value, {"again": value}]
    return value


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


def bombs() -> Any:
    value: Any = ["boom"] * 10
    for _ in range(15):
        value = [value] * 10
    return value


MAKERS: dict[str, Callable[[], Any]] = {
    "file": lambda: sys.__stdout__,
    "lock": threading.Lock,
    "generator": lambda: (n for n in range(3)),
    "session": sqlalchemy.orm.Session,
    "engine": lambda: sqlalchemy.create_engine("sqlite://"),
    "anything": lambda: hostile.Anything(),
    "class": lambda: hostile.Strange("Made", (), {}),
    "exception": lambda: LookupError("x"),
    "function": lambda: print,
    "module": lambda: json,
    "cyclic dict": cyclic,
    "deep list": deep,
    "wide and deep": bombs,
    "10 MB": lambda: "x" * 10_000_000,
    "10 MB of NUL": lambda: "\0" * 10_000_000,
    "10 MB of surrogates": lambda: "\ud800" * 10_000_000,
    "8 kB of control characters": lambda: "\x01" * 8192,
    "10 MB of bytes": lambda: b"x" * 10_000_000,
    "nan": lambda: math.nan,
    "infinity": lambda: [math.inf, -math.inf],
    "2**70": lambda: 2**70,
    "10**10000": lambda: 10**10_000,
    "lone surrogate": lambda: "a\ud800b",
    "surrogate key": lambda: {"a\udfff": "\udc00"},
    "NUL": lambda: {"a\0": ["\0"]},
    "keys": lambda: {1: 1, None: 2, (1, 2): 3, 2.5: 4, b"x": 5, frozenset(): 6, object: 7},
    "colliding keys": lambda: {1: "a", "1": "b", 1.5: "c", "1.5": "d"},
    "long key": lambda: {"x" * 1_000_000: 1},
    "many keys": lambda: dict.fromkeys(range(100_000)),
    "huge set": lambda: set(range(300_000)),
    "mixed set": lambda: {1, "a", None, (1,), frozenset([2])},
    "proxy": lambda: LocalProxy(lambda: "text"),
    "unbound proxy": lambda: LocalProxy(lambda: 1 // 0),
    "app": lambda: current_app,
    "g": lambda: g,
    "defaultdict": lambda: defaultdict(list, a=[1]),
    "str": lambda: hostile.Str("text"),
    "int": lambda: hostile.Int(2**70),
    "float": lambda: hostile.Float(math.nan),
    "dict": lambda: hostile.Dict({hostile.Str("a"): hostile.List([hostile.Int(1)])}),
    "tuple": lambda: hostile.Tuple([hostile.Anything()]),
    "set": lambda: hostile.Set([1, 2]),
    "identity": lambda: hostile.Identity(int=1),
    "number": lambda: hostile.Number("sNaN"),
    "day": lambda: hostile.Day(2026, 1, 2),
    "zone": lambda: datetime(2026, 1, 2, tzinfo=hostile.Zone()),
    "choice": lambda: hostile.Choice.ONE,
    "field": lambda: hostile.Field.__new__(hostile.Field),
    "no dataclass": lambda: hostile.NoDataclass(),
    "late dataclass": lambda: hostile.LateDataclass(),
}


@pytest.mark.parametrize("name", MAKERS)
def test_one_value(site: ManySite, name: str) -> None:
    """A value that was not named affects neither the request nor the other values."""
    found = site.visit(("before", 1), ("value", MAKERS[name]()), ("after", "x"))
    assert (found["before"], found["after"]) == (1, "x")
    assert set(found) <= {"before", "value", "after"}


@pytest.mark.parametrize("name", MAKERS)
def test_one_named_value(naming_site: ManySite, name: str) -> None:
    """A named value is in the record, normalized or as a placeholder."""
    found = naming_site.visit(("before", 1), ("value", MAKERS[name]()), ("after", "x"))
    assert list(found) == ["before", "value", "after"]
    assert (found["before"], found["after"]) == (1, "x")


# Not the other values.
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name not in {"before", "after"})
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(PLAIN_TEXT, inner, max_size=5),
    max_leaves=10,
)
TEXT = st.text(st.characters(), max_size=100)
KEYS = TEXT | st.integers() | st.none() | st.booleans() | st.floats() | st.tuples(st.integers())
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.none() | st.just(timezone.utc))
    | st.dates()
    | st.uuids()
    | st.complex_numbers()
    | st.timedeltas()
)
WILD = st.recursive(
    HASHABLE | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(HASHABLE, max_size=5)
    ),
    max_leaves=20,
)
SECRETS = [pattern.strip("*") for pattern in DEFAULT_REDACT]
# One request for each value.
SPARING = settings(max_examples=settings().max_examples // 2)


@SPARING
@given(value=PLAIN)
def test_plain_values_keep_their_types(naming_site: ManySite, value: Any) -> None:
    """Plain values are stored with their values and types."""
    assume(not re.search("|".join(SECRETS), repr(value), re.IGNORECASE))
    found = naming_site.visit(("value", value))["value"]
    assert repr(found) == repr(value)


@SPARING
@given(values=st.dictionaries(NAMES, WILD, max_size=6))
def test_wild_values(site: ManySite, values: dict[str, Any]) -> None:
    """A value of any Python type leaves the other values whole, and is not changed itself."""
    as_they_were = repr(values)
    found = site.visit(("before", 1), *values.items(), ("after", "x"))
    assert (found["before"], found["after"]) == (1, "x")
    assert repr(values) == as_they_were


@SPARING
@given(kinds=st.lists(st.sampled_from(sorted(set(MAKERS) - {"g"})), max_size=5))
def test_several_at_once(site: ManySite, kinds: list[str]) -> None:
    """Several hostile values in one request leave the other values whole."""
    values = [(f"value{n}", MADE[kind]) for n, kind in enumerate(kinds)]
    found = site.visit(("before", 1), *values, ("after", "x"))
    assert (found["before"], found["after"]) == (1, "x")


MADE = {kind: make() for kind, make in MAKERS.items()}


def test_a_dict_that_another_thread_changes(site: ManySite) -> None:
    """A dict that changes during capture is stored as it was at one moment."""
    shared: dict[str, int] = {f"n{n}": n for n in range(100)}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            shared.update(more=1)
            del shared["more"]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(100):
            found = site.visit(("before", 1), ("value", shared), ("after", "x"))
            assert (found["before"], found["after"]) == (1, "x")
            assert len(found["value"]) in {100, 101}
    finally:
        stop.set()
        thread.join()


def test_a_dict_that_changes_while_it_is_read(naming_site: ManySite) -> None:
    """A dict is read again if a garbage collection lets another thread change it."""
    shared = dict.fromkeys(range(500))
    left = [500, 501, 502]

    def collected(phase: str, _: Any) -> None:
        if left and sys._getframe(1).f_code.co_name == "_first":
            shared[left.pop()] = None

    before = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(50)
    # From 3.12 on no collection starts within a call: https://docs.python.org/3/whatsnew/3.12.html
    changes = sys.version_info < (3, 12)
    # CPython reuses freed tuples without a collection, so this keeps all of them.
    pairs = [(n, n) for n in range(3000)]
    try:
        # Only one thread collects at a time, so this may take more than one request.
        for _ in range(100):
            found = naming_site.visit(("before", 1), ("value", shared), ("after", "x"))
            assert (found["before"], found["after"]) == (1, "x")
            assert len(found["value"]) >= 500
            if not changes or len(left) < 3:
                break
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collected)
    assert len(left) < 3 or not changes, "nobody changed it meanwhile"
    del pairs


def test_a_g_that_another_thread_changes(make_site: Callable[..., Site]) -> None:
    """A thread that constantly puts values on the request's ``g`` breaks nothing."""
    site = make_site()
    stop = threading.Event()
    threads = []

    def change(holder: Any, started: threading.Event) -> None:
        while not stop.is_set():
            for n in range(50):
                setattr(holder, f"n{n}", n)
            started.set()
            for n in range(50):
                delattr(holder, f"n{n}")

    @site.app.get("/")
    def view() -> str:
        started = threading.Event()
        threads.append(threading.Thread(target=change, args=[g._get_current_object(), started]))
        threads[-1].start()
        started.wait()
        g.text = "text"
        return "done"

    client = site.client
    try:
        for _ in range(3):
            assert client.get("/").text == "done"
            assert site.take().vars["text"] == "text"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
