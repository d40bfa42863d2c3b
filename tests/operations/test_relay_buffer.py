"""A stream as delivery's buffer: bisecting, dead letters, strangers, a server that goes away."""

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
from flask_chest.operations.relay import StreamBuffer
from flask_chest.query.ndjson import to_line
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.redis import DURABLE, Redis

pytestmark = pytest.mark.server


class Store(Chest):
    """Refuses route ``/bad``, and everything while it is down; each record once."""

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


class Carried:
    """A relay's parts, without its clock."""

    def __init__(self, server: Redis, store: Store, claim_after: float = 60) -> None:
        self.source = FlaskChestRedis(server.url)
        self.source.bind(AppInfo(instance_path=Path(), timeout=20))
        self.buried: list[tuple[str, Any, str]] = []
        self.lost: list[tuple[str, str, int]] = []
        self.ledger = Ledger()
        group = ConsumerGroup(FlaskChestRedis(server.url), "g")
        self.buffer = StreamBuffer(
            group, "store", self.on_rejected, self._lose, claim_after, self.ledger
        )
        self.sender = Sender(store, self.buffer, 100, None, self.on_rejected)
        self.broken = False

    def on_rejected(self, chest: str, lines: Sequence[bytes], reason: str) -> None:
        if self.broken:
            raise OSError("no room")
        self.buried += [(chest, json.loads(line), reason) for line in lines]

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
    """A client of the server, which is empty."""
    with closing(redis.Redis(port=server.port)) as client:
        client.flushall()
        yield client


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def carried(server: Redis, client: Any, store: Store) -> Iterator[Carried]:
    with closing(Carried(server, store)) as carried:
        yield carried


def pending(client: Any) -> int:
    found: int = client.xpending("chest", "g")["pending"]
    return found


def test_a_bad_record_is_found_and_buried(carried: Carried, client: Any, store: Store) -> None:
    """As delivery does it: the batch is halved, the others arrive, the bad one is a letter."""
    records = make_records(250)
    records[130] = replace(records[130], route="/bad")
    carried.source.write(records)
    carried.send()
    assert set(store.records) == {record.id for record in records} - {records[130].id}
    [(chest, letter, reason)] = carried.buried
    assert (chest, letter["id"], reason) == ("store", records[130].id, "a bad route")
    assert pending(client) == 0
    account = carried.ledger.account("store")
    assert (account.delivered, account.rejected) == (249, 1)


def test_a_store_that_is_down(carried: Carried, client: Any, store: Store) -> None:
    """Nothing is acknowledged before the store has it; afterwards everything is."""
    store.down = True
    carried.source.write(make_records(150))
    carried.send()
    assert pending(client) == 100
    assert carried.buffer.ledger().account("store").pending == 100
    store.down = False
    carried.send()
    assert len(store.records) == 150
    assert pending(client) == 0


def test_one_that_waits_is_not_dead(carried: Carried, client: Any, store: Store) -> None:
    """However long a store is down: who has its records says that it lives."""
    store.down = True
    carried.source.write(make_records(10))
    carried.send()
    long = 600_000
    entries = [entry for entry, _ in client.xrange("chest")]
    [reader] = client.xinfo_consumers("chest", "g")
    client.xclaim("chest", "g", reader["name"], 0, entries, idle=long, justid=True)
    carried.buffer.maintain()
    waiting = client.xpending_range("chest", "g", "-", "+", 100)
    assert len(waiting) == 10
    assert all(each["time_since_delivered"] < long for each in waiting)


def test_strangers(carried: Carried, client: Any, store: Store) -> None:
    """Entries that are no records are kept with the reason, and hold up nothing."""
    records = make_records(3)
    client.xadd("chest", {"what": b"\xff"})
    carried.source.write(records[:1])
    client.xadd("chest", {"record": "[]"})
    client.xadd("chest", {"record": '{"id": "7", "time": -1, "vars": 3}'})
    carried.source.write(records[1:])
    carried.send()
    assert set(store.records) == {record.id for record in records}
    assert pending(client) == 0
    assert [chest for chest, _, _ in carried.buried] == ["redis strangers"] * 3
    assert carried.buried[0][1]["fields"] == {"what": "\N{REPLACEMENT CHARACTER}"}
    for (_, _, reason), words in zip(
        carried.buried, ["no field 'record'", "expected an object", "'vars'"], strict=True
    ):
        assert "is no record" in reason
        assert words in reason
    assert carried.ledger.account("redis strangers").rejected == 3


def test_records_as_people_write_them(carried: Carried, client: Any, store: Store) -> None:
    """A line of ``flask chest export`` is a record, too."""
    record = make_records(1)[0]
    client.xadd("chest", {"record": to_line(record)})
    carried.send()
    assert list(store.records.values()) == [record]


def test_letters_that_cannot_be_kept(carried: Carried, client: Any, store: Store) -> None:
    """Where there is no room for a letter, the entry stays where it is."""
    carried.broken = True
    client.xadd("chest", {"what": "ever"})
    carried.source.write(make_records(1))
    carried.send()
    assert pending(client) == 2
    carried.send()
    assert len(store.records) == 1
    assert pending(client) == 1


def test_what_the_cap_cut_off_is_told(carried: Carried, client: Any, store: Store) -> None:
    """It is a loss like any other: by chest, reason and number."""
    carried.source.write(make_records(50))
    client.xtrim("chest", maxlen=20, approximate=False)
    carried.send()
    assert carried.lost == [("store", "trimmed", 30)]
    assert carried.ledger.account("store").lost["trimmed"] == 30
    assert len(store.records) == 20


def test_a_server_that_is_killed_before_it_hears(
    server: Redis, carried: Carried, client: Any, store: Store
) -> None:
    """What was stored meanwhile is acknowledged later, and is not stored again."""
    carried.source.write(make_records(10))
    page = carried.buffer.read("store", 100)
    assert page is not None
    server.stop()
    carried.buffer.commit("store", page, 10, 0)
    carried.send()
    server.start()
    assert pending(client) == 10
    carried.send()
    assert pending(client) == 0
    assert store.calls == 0


def test_what_is_left_goes_to_the_next(server: Redis, client: Any, store: Store) -> None:
    """A reader that ends gives its entries back at once, and one with none leaves no name."""
    store.down = True
    with closing(Carried(server, store)) as first:
        first.source.write(make_records(10))
        first.send()
    store.down = False
    with closing(Carried(server, store)) as second:
        second.send()
        assert len(store.records) == 10
    assert pending(client) == 0
    assert len(client.xinfo_consumers("chest", "g")) == 1


def test_it_takes_no_records_of_its_own(carried: Carried) -> None:
    """Nobody hands a relay a record; who tries is told."""
    with pytest.raises(OSError, match="nothing else"):
        carried.buffer.append(b"{}", 1)
