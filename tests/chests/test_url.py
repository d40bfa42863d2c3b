"""URLs and their credentials, batches, and the adapter for writers of tuples."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.chests.base import Chest
from flask_chest.chests.batch_bodies import split_lines
from flask_chest.chests.constructor_arguments import known_arguments
from flask_chest.chests.factory import make_chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.chests.secret_scrubbing import scrub
from flask_chest.chests.url import StoreURL
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.json_line import dumps, loads
from flask_chest.record.text_cleaning import replace_nul
from flask_chest.testing import check_chest, make_records
from flask_chest.typing import ContextTuple


def test_parts() -> None:
    """Credentials are decoded, several hosts stay one text, and the public URL has no password."""
    address = StoreURL.parse("mongodb://me:p%40ss@a:1,b:2/db?tls=true")
    assert (address.username, address.password) == ("me", "p@ss")
    assert (address.hosts, address.path, address.query) == ("a:1,b:2", "db", {"tls": "true"})
    assert address.public_url() == "mongodb://me@a:1,b:2/db"
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("influxdb://:t@h/o/b?verfy=1", "unknown URL parameter 'verfy'; did you mean 'verify'?"),
        ("clickhouse://h/db?compress=1", "unknown URL parameter 'compress'"),
        ("otlp+http://:4318", "the URL names no host; write e.g. 'otlp+http://collector:4318'"),
    ],
)
def test_wrong_parts(url: str, words: str) -> None:
    """An unknown parameter or a missing host is reported with a remedy."""
    with pytest.raises(ConfigError, match=re.escape(words)):
        make_chest(url)


def test_arguments_of_a_subclass() -> None:
    """The known arguments include those of the base classes that a constructor passes ``**`` to."""

    class Narrow(MemoryChest):
        def __init__(self, size: int) -> None:
            super().__init__()

    assert known_arguments(Narrow) == ["size"]
    assert known_arguments(MemoryChest) == ["name", "logger", "app"]


def test_at_sign_in_a_web_path() -> None:
    """A path of a web address may hold an '@'."""
    assert StoreURL.parse("https://host/@me").path == "@me"


@pytest.mark.parametrize(
    ("text", "shown"), [("bad tok-1", "bad ***"), ("ab", "ab"), ("fine", "fine")]
)
def test_scrub(text: str, shown: str) -> None:
    """Secrets are blanked out, except for very short ones, which may be parts of words."""
    assert scrub(text, ("tok-1", "", "a")) == shown


@given(
    st.recursive(
        st.text('\0\\u024a"', max_size=20),
        lambda inner: st.dictionaries(st.text("\0\\u0", max_size=10), inner, max_size=3),
        max_leaves=8,
    )
)
def test_nul_and_nothing_else(value: object) -> None:
    """NUL becomes a symbol, and no other text changes, however many backslashes it has."""
    cleaned = loads(replace_nul(dumps({"v": value})))["v"]
    assert dumps(cleaned) == dumps(_replaced(value))


def _replaced(value: object) -> object:
    if isinstance(value, dict):
        return {_replaced(name): _replaced(each) for name, each in value.items()}
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


@given(st.lists(st.binary(max_size=8)), st.integers(1, 20))
def test_parts_of_a_batch(lines: list[bytes], limit: int) -> None:
    """The parts are the batch in order, and only a part of one line may exceed the limit."""
    parts = list(split_lines(lines, limit))
    assert [line for part in parts for line in part] == lines
    assert all(len(part) == 1 or sum(map(len, part)) <= limit for part in parts)


def test_memory_conforms() -> None:
    """The memory chest passes the suite."""
    chest = MemoryChest()
    done = check_chest(lambda: chest, read=lambda: [record.id for record in chest.records])
    assert done == ("accepts", "ignores_duplicates", "closes")


class OldWriter:
    """A writer with the older interface."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[list[ContextTuple]] = []
        self._error = error

    def write(self, context_tuple_list: list[ContextTuple]) -> None:
        if self._error is not None:
            raise self._error
        self.calls.append(context_tuple_list)


def test_tuple_writer() -> None:
    """Each call of an older class gets the tuples of one request."""
    writer = OldWriter()
    chest = Chest.from_tuple_writer(writer)
    chest.write(make_records(2))
    assert [call[0] for call in writer.calls] == [
        ("number", 0, "check-0"),
        ("number", 1, "check-1"),
    ]
    assert chest.name == "oldwriter"


@pytest.mark.parametrize("error", [KeyError("x"), RejectedError("never"), DeliveryError("later")])
def test_tuple_writer_that_raises(error: Exception) -> None:
    """An exception of an older class is a failed delivery, unless it is an error of the package."""
    expected = type(error) if not isinstance(error, KeyError) else DeliveryError
    with pytest.raises(expected):
        Chest.from_tuple_writer(OldWriter(error)).write(make_records(1))
