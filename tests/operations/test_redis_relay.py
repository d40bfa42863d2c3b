"""Tests the relay's buffer: dead letters, foreign entries, acknowledging, a restarted server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from flask_chest.chests.base import AppInfo, Chest
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.redis.consumer_group import ConsumerGroup
from flask_chest.delivery.ledger import Ledger
from flask_chest.delivery.sender import Sender
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.operations.redis_relay import StreamBuffer
from flask_chest.query.export_ndjson import to_line
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.redis import DURABLE, Redis

pytestmark = pytest.mark.server


class Store(Chest):
    """Rejects records of the route ``/bad``, and fails while ``down`` is set."""

    scheme = "store"

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, Record] = {}
        self.calls = 0
        self.down = False

    def write(self, records: Sequence[Record]) -> None:
        self.calls += 1
        if self.down:
            raise DeliveryError("down", retry_after=0)
        if any(record.route == "/bad" for record in records):
            raise RejectedError("a bad route")
        self.records.update({record.id: record for record in records})


class RelayParts:
    """A stream, a buffer and a sender, without the exporter's thread."""

    def __init__(self, server: Redis, store: Store, claim_after: float = 60) -> None:
        self.source = FlaskChestRedis(server.url)
        self.source.bind(AppInfo(instance_path=Path(), timeout=20))
        self.dead_letters: list[tuple[str, Any, str]] = []
        self.lost: list[tuple[str, str, int]] = []
        self.ledger = Ledger()
        group = ConsumerGroup(FlaskChestRedis(server.url), "g")
        self.buffer = StreamBuffer(
            group, "store", self.on_rejected, self._lose, claim_after, self.ledger
        )
        self.sender = Sender(store, self.buffer, 100, lambda *_, **__: None, self.on_rejected)
        self.is_disk_full = False

    def on_rejected(self, chest: str, lines: Sequence[bytes], reason: str) -> None:
        if self.is_disk_full:
            raise OSError("no room")
        self.dead_letters += [(chest, json.loads(line), reason) for line in lines]

    def _lose(self, chest: str, reason: str, count: int) -> None:
        self.lost.append((chest, reason, count))

    def send(self) -> None:
        self.sender.request_flush()
        self.sender.send()

    def close(self) -> None:
        self.source.close()
        self.buffer.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis(*DURABLE) as server:
        yield server


@pytest.fixture
def client(server: Redis) -> Iterator[Any]:
    """A client of the emptied server."""
    with closing(redis.Redis(port=server.port)) as client:
        client.flushall()
        yield client


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def parts(server: Redis, client: Any, store: Store) -> Iterator[RelayParts]:
    with closing(RelayParts(server, store)) as parts:
        yield parts


def pending(client: Any) -> int:
    found: int = client.xpending("chest", "g")["pending"]
    return found


def test_rejected_record_is_a_dead_letter(parts: RelayParts, client: Any, store: Store) -> None:
    """The sender halves the batch: the bad record is a dead letter, and the others are stored."""
    records = make_records(250)
    records[130] = replace(records[130], route="/bad")
    parts.source.write(records)
    parts.send()
    assert set(store.records) == {record.id for record in records} - {records[130].id}
    [(chest, letter, reason)] = parts.dead_letters
    assert (chest, letter["id"], reason) == ("store", records[130].id, "a bad route")
    assert pending(client) == 0
    account = parts.ledger.account("store")
    assert (account.delivered, account.rejected) == (249, 1)


def test_store_down(parts: RelayParts, client: Any, store: Store) -> None:
    """Entries are acknowledged after the store has their records, not before."""
    store.down = True
    parts.source.write(make_records(150))
    parts.send()
    assert pending(client) == 100
    assert parts.buffer.ledger().account("store").pending == 100
    store.down = False
    parts.send()
    assert len(store.records) == 150
    assert pending(client) == 0


def test_waiting_consumer_renews_its_entries(parts: RelayParts, client: Any, store: Store) -> None:
    """While a store is down, a consumer renews its entries, so no other one claims them."""
    store.down = True
    parts.source.write(make_records(10))
    parts.send()
    long = 600_000
    entries = [entry for entry, _ in client.xrange("chest")]
    [reader] = client.xinfo_consumers("chest", "g")
    client.xclaim("chest", "g", reader["name"], 0, entries, idle=long, justid=True)
    parts.buffer.maintain()
    waiting = client.xpending_range("chest", "g", "-", "+", 100)
    assert len(waiting) == 10
    assert all(each["time_since_delivered"] < long for each in waiting)


def test_foreign_entries(parts: RelayParts, client: Any, store: Store) -> None:
    """Entries that are not records are dead letters with a reason, and block no other entry."""
    records = make_records(3)
    client.xadd("chest", {"what": b"\xff"})
    parts.source.write(records[:1])
    client.xadd("chest", {"record": "[]"})
    client.xadd("chest", {"record": '{"id": "7", "time": 1, "vars": 3}'})
    parts.source.write(records[1:])
    parts.send()
    assert set(store.records) == {record.id for record in records}
    assert pending(client) == 0
    assert [chest for chest, _, _ in parts.dead_letters] == ["redis strangers"] * 3
    assert parts.dead_letters[0][1]["fields"] == {"what": "\N{REPLACEMENT CHARACTER}"}
    for (_, _, reason), words in zip(
        parts.dead_letters, ["no field 'record'", "expected an object", "'vars'"], strict=True
    ):
        assert "is not a record" in reason
        assert words in reason
    assert parts.ledger.account("redis strangers").rejected == 3


def test_odd_entries(parts: RelayParts, client: Any, store: Store) -> None:
    """A record of only id and time gets all fields; one beyond the bounds blocks nothing."""
    client.xadd("chest", {"record": '{"id": "odd", "time": 5, "status": 9223372036854775808}'})
    client.xadd("chest", {"record": '{"id": "bare", "time": 5}'})
    parts.source.write(make_records(1))
    parts.send()
    assert len(store.records) == 2
    assert (store.records["bare"].request_id, store.records["bare"].vars) == ("", {})
    assert pending(client) == 0
    [(_, _, reason)] = parts.dead_letters
    assert "'status' is out of range" in reason


def test_exported_line(parts: RelayParts, client: Any, store: Store) -> None:
    """A line of ``flask chest export`` is a record too."""
    record = make_records(1)[0]
    client.xadd("chest", {"record": to_line(record)})
    parts.send()
    assert list(store.records.values()) == [record]


def test_dead_letter_cannot_be_stored(parts: RelayParts, client: Any, store: Store) -> None:
    """If a dead letter cannot be stored, its entry stays in the stream."""
    parts.is_disk_full = True
    client.xadd("chest", {"what": "ever"})
    parts.source.write(make_records(1))
    parts.send()
    assert pending(client) == 2
    parts.send()
    assert len(store.records) == 1
    assert pending(client) == 1


def test_trimmed_entries_are_lost(parts: RelayParts, client: Any, store: Store) -> None:
    """Trimmed entries are reported as lost, by chest, reason and number."""
    parts.source.write(make_records(50))
    client.xtrim("chest", maxlen=20, approximate=False)
    parts.send()
    assert parts.lost == [("store", "trimmed", 30)]
    assert parts.ledger.account("store").lost["trimmed"] == 30
    assert len(store.records) == 20


def test_server_killed_before_acknowledging(
    server: Redis, parts: RelayParts, client: Any, store: Store
) -> None:
    """Stored records are acknowledged after the restart, and not stored again."""
    parts.source.write(make_records(10))
    page = parts.buffer.read("store", 100)
    assert page is not None
    server.stop()
    parts.buffer.commit("store", page, 10, 0)
    parts.send()
    server.start()
    assert pending(client) == 10
    parts.send()
    assert pending(client) == 0
    assert store.calls == 0


def test_closing_releases_entries(server: Redis, client: Any, store: Store) -> None:
    """A closed consumer releases its entries at once; one without entries is deleted."""
    store.down = True
    with closing(RelayParts(server, store)) as first:
        first.source.write(make_records(10))
        first.send()
    store.down = False
    with closing(RelayParts(server, store)) as second:
        second.send()
        assert len(store.records) == 10
    assert pending(client) == 0
    assert len(client.xinfo_consumers("chest", "g")) == 1


def test_append_is_refused(parts: RelayParts) -> None:
    """Appending to a relay's buffer is an error."""
    with pytest.raises(OSError, match="only delivers"):
        parts.buffer.append(b"{}", 1)
