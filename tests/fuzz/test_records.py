"""Fuzzes every place where a record enters: requests, imports, relays, replays and the journal.

Whatever enters is either refused with a reason, or has passed the bounds. A record that has passed
is stored, and neither maintenance nor any page fails because of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.damaged_records import iter_frames
from flask_chest.delivery.ledger import Ledger
from flask_chest.errors import QueryError
from flask_chest.operations.background_retention import Maintenance
from flask_chest.operations.redis_relay import StreamBuffer, _record_line
from flask_chest.operations.replay import Replay
from flask_chest.query.export_ndjson import from_line, to_line
from flask_chest.record.json_line import dumps, encode, loads
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.chests.test_hostile import values, variables
from tests.dashboard.shop import TOKEN, log_in
from tests.dashboard.structure import Structure

from ..apps import Site, make_app
from ..delivery.journal.frames import pack

# Values at and beyond the bounds of every field.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(-1, -5, 0, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, True),
        *(-0.0, 5e-324, 1e-9, 1e308, 1.5, "0", "", "\0", "\x1b[2J\u202e", "x" * 5000),
        *("1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", "0001-01-01", "2262-01-01Z"),
        *("9999-12-31T23:59:59-23:59", "2026-11-20T10:00:00+14:00", [], {}, None),
    ]
)
FIELDS = sorted(loads(encode(make_records(1)[0])))
TIMES = st.integers(0, 10**16) | st.integers() | ODD
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **{name: ODD | values for name in FIELDS if name != "id"},
        "time": TIMES,
        "vars": variables | ODD,
        "id": st.text(max_size=40) | ODD,
        "of a later version": values,
    },
)
MISSING = st.sets(st.sampled_from(FIELDS), max_size=3)


def line_of(changes: dict[str, Any], missing: set[str]) -> bytes:
    """Return a line of JSON with the changed fields of a record."""
    fields = {**loads(encode(make_records(1)[0])), **changes}
    line = {name: value for name, value in fields.items() if name not in missing}
    return json.dumps(line).encode()  # takes integers of any size


class Store:
    """A SQLite store behind an app with a dashboard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: Flask = make_app(
            folder, CHEST_DASHBOARD=True, CHEST_DASHBOARD_TOKEN=TOKEN, SECRET_KEY="k"
        )
        [self.chest] = get_state(self.app).chests
        self.client: FlaskClient = self.app.test_client()
        log_in(self.client)

    def accepts(self, record: Record) -> None:
        """Store a record; maintenance and pages that show it go on working."""
        self.chest.write([record])
        day = record.time.date().isoformat()
        for page in (f"/?since={day}", f"/requests?since={day}", f"/requests/{record.id}"):
            answer = self.client.get(f"/chest{page}")
            assert answer.status_code in {200, 400, 404}, answer.text
            assert Structure(answer.text).faults == []
        Maintenance([self.chest], 86_400.0).run(threading.Event())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("store"))
    yield made
    made.app.extensions["chest"].close()


SPARING = settings(max_examples=max(10, settings().max_examples // 5))


@SPARING
@given(CHANGES, MISSING)
@example({"status": 2**63}, set())
@example({"time": "9999-12-31T23:59:59-23:59"}, set())
@example({}, set(FIELDS) - {"id", "time"})
def test_import(store: Store, changes: dict[str, Any], missing: set[str]) -> None:
    """A line is refused, or its record breaks nothing and returns as it was."""
    record = None
    with suppress(QueryError):
        record = from_line(line_of(changes, missing))
    if record is None:
        return
    store.accepts(record)
    assert from_line(to_line(record)) == record
    assert from_line(encode(record)) == record


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | values.map(dumps))
@example(b"[" * 100_000)
@example(b'{"id": 1e999}')
def test_import_of_anything(line: bytes) -> None:
    """Bytes that are not a record are refused with a printable reason."""
    with pytest.raises(QueryError) as caught:
        from_line(line)
    assert str(caught.value).isprintable()


class Group:
    """The consumer of a stream, simulated: it has some entries."""

    chest = MemoryChest()

    def __init__(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        self.entries = entries
        self.acknowledged: list[bytes] = []

    def claim(self, count: int, idle: int) -> Any:
        taken, self.entries = self.entries[:count], self.entries[count:]
        return type("Claimed", (), {"entries": taken, "lost": 0})()

    def read(self, count: int) -> Any:
        return self.claim(count, 0)

    def acknowledge(self, entries: Sequence[bytes]) -> None:
        self.acknowledged += entries

    def delete_idle_consumers(self, idle: int) -> None:
        """There is no other."""


ENTRIES = st.builds(line_of, CHANGES, MISSING) | st.binary(max_size=50)


@given(st.lists(st.dictionaries(st.sampled_from([b"record", b"what"]), ENTRIES), max_size=4))
def test_relay(entries: list[dict[bytes, bytes]]) -> None:
    """An entry is delivered, or is a dead letter; none of them stays."""
    group = Group([(b"%d-0" % number, each) for number, each in enumerate(entries)])
    letters: list[bytes] = []

    def bury(chest: str, lines: Sequence[bytes], reason: str) -> None:
        assert reason
        letters.extend(lines)

    stream: Any = group
    buffer = StreamBuffer(stream, "store", bury, lambda *_: None, 60, Ledger())
    page = buffer.read("store", 100)
    lines = [] if page is None else page.lines
    if page is not None:
        buffer.commit("store", page, len(lines), 0)
    buffer.read("store", 100)
    assert len(lines) + len(letters) == len(entries)
    assert sorted(group.acknowledged) == sorted(b"%d-0" % n for n in range(len(entries)))
    for line in lines:
        assert _record_line({b"record": line}) == line
    for letter in letters:
        json.loads(letter)


@SPARING
@given(st.lists(ENTRIES, min_size=1, max_size=4))
def test_replay(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """A letter that somebody edited is sent within the bounds, or stays with a reason."""
    scope = JournalScope(tmp_path_factory.mktemp("journal"), "app", ("memory",))
    letters = DeadLetters(scope, "memory")
    letters.add([line.replace(b"\n", b" ") for line in lines], "rejected")
    stored = len({(each.line, each.store) for each in letters.read()})
    chest = MemoryChest(name="memory")
    replay = Replay(scope, chest)
    assert len(list(replay.run())) == stored
    assert replay.delivered + len(replay.remaining) == stored
    assert len(chest.records) == replay.delivered
    assert all(each.reason for each in letters.read())
    for record in chest.records:
        assert from_line(encode(record)) == record


@given(st.lists(st.binary(max_size=60)), st.binary(max_size=60), st.integers(0, 2**32 - 1))
def test_journal(lines: list[bytes], noise: bytes, mask: int) -> None:
    """Foreign bytes in a segment make no frame that nobody wrote."""
    written = [line.replace(b"\n", b" ") for line in lines]
    data = noise.join(pack(line, mask) for line in written)
    for frame in iter_frames(noise + data + noise):
        assert frame.line is None or frame.line in written


LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300)
HEADERS = ("X_REQUEST_ID", "TRACEPARENT", "X_REQUEST_START", "USER_AGENT", "X_FORWARDED_FOR")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(
        tmp_path_factory.mktemp("site"),
        CHEST_FACTS="all",
        CHEST_QUERY_NAMES=["q"],
    )

    @site.app.route("/<path:what>", methods=["GET", "POST"])
    def view(what: str) -> str:
        g.what = what
        return "ok"

    with site.recording():
        yield site


@given(
    st.dictionaries(st.sampled_from([f"HTTP_{name}" for name in HEADERS]), LATIN),
    LATIN,
    LATIN,
    st.sampled_from(["GET", "POST", "PUT", "", "X" * 300, "G\0T", "\xff"]) | LATIN,
)
@example({"HTTP_X_REQUEST_START": "t=9" * 9, "HTTP_TRACEPARENT": "00-" + "f" * 32}, "", "", "GET")
def test_requests(site: Site, headers: dict[str, str], path: str, query: str, method: str) -> None:
    """Each request leaves one record, which is within the bounds of what may be imported."""
    environ = {**headers, "QUERY_STRING": query, "REQUEST_METHOD": method, "PATH_INFO": f"/{path}"}
    call_app(site.app, environ)
    record = site.take()
    assert from_line(encode(record)) == record
    assert datetime(2020, 1, 1, tzinfo=timezone.utc) < record.time


def call_app(app: Callable[..., Any], changes: dict[str, str]) -> None:
    """Call an app as a server would that checks nothing."""
    from werkzeug.test import EnvironBuilder

    environ = {**EnvironBuilder("/").get_environ(), **changes}
    answer = app(environ, lambda *_: lambda _: None)
    for _ in answer:
        pass
    if hasattr(answer, "close"):
        answer.close()
