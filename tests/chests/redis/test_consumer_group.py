"""Tests consumer groups on a real server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from flask_chest.chests.base import AppInfo
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.redis.consumer_group import ClaimedEntries, ConsumerGroup
from flask_chest.testing import make_records
from tests.servers.redis import DURABLE, Redis
from tests.servers.tcp_proxy import TCPProxy

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def client(server: Redis) -> Iterator[Any]:
    """A client of the emptied server."""
    with closing(redis.Redis(port=server.port)) as client:
        client.flushall()
        yield client


@pytest.fixture
def chest(server: Redis, client: Any) -> Iterator[FlaskChestRedis]:
    with closing(FlaskChestRedis(server.url)) as chest:
        chest.bind(AppInfo(instance_path=Path(), timeout=20))
        yield chest


def ids(claimed: ClaimedEntries) -> list[bytes]:
    return [entry for entry, _ in claimed.entries]


def in_stream(client: Any) -> list[bytes]:
    return [entry for entry, _ in client.xrange("chest")]


def test_consumers_share_the_entries(chest: FlaskChestRedis, client: Any) -> None:
    """Redis gives each entry to one consumer, until the entry is acknowledged."""
    one, other = ConsumerGroup(chest, "g"), ConsumerGroup(chest, "g")
    assert one.read(10) == ClaimedEntries([])
    chest.write(make_records(30))
    got = ids(one.read(10)) + ids(other.read(100))
    assert got == in_stream(client)
    assert one.read(10) == ClaimedEntries([])
    one.acknowledge(got)
    assert client.xpending("chest", "g")["pending"] == 0
    assert len(ConsumerGroup(chest, "another").read(100).entries) == 30


def test_claim(chest: FlaskChestRedis, client: Any) -> None:
    """Idle entries can be claimed; entries that their consumer has renewed cannot."""
    dead, living = ConsumerGroup(chest, "g"), ConsumerGroup(chest, "g")
    assert living.claim(10, 0) == ClaimedEntries([])
    chest.write(make_records(300))
    entries = ids(dead.read(300))
    assert living.claim(100, 60_000) == ClaimedEntries([])
    dead.release(entries)
    dead.renew(entries[:100])
    claimed: list[bytes] = []
    while found := ids(living.claim(50, 60_000)):
        claimed += found
        living.renew(found)
    assert claimed == entries[100:]


def trim(client: Any, left: int) -> None:
    client.xtrim("chest", maxlen=left, approximate=False)


@pytest.mark.parametrize("read", [0, 20])
def test_trimmed_entries_are_counted(chest: FlaskChestRedis, client: Any, read: int) -> None:
    """Entries that were trimmed before they were read count as lost, and count once."""
    group = ConsumerGroup(chest, "g")
    chest.write(make_records(100))
    if read:
        group.read(read)
    trim(client, 30)
    taken = group.read(10)
    assert (len(taken.entries), taken.lost) == (10, 70 - read)
    assert group.read(10).lost == 0
    trim(client, 15)
    assert group.read(100).lost == 0
    chest.write(make_records(5))
    trim(client, 0)
    assert group.read(10) == ClaimedEntries([], 5)
    assert group.read(10) == ClaimedEntries([], 0)


@pytest.mark.parametrize("answer", [b"*5\r\n:0", b"*5\r\n:20"])
def test_a_count_whose_answer_got_lost(
    server: Redis, chest: FlaskChestRedis, client: Any, answer: bytes
) -> None:
    """A server dies after it has counted, and before it answers: no trimmed entry is forgotten.

    Both answers may get lost: the one with the numbers, and the one to the correction.
    """
    with TCPProxy(server.port) as proxy:
        one = ConsumerGroup(FlaskChestRedis(f"redis://127.0.0.1:{proxy.port}/0"), "g")
        other = ConsumerGroup(chest, "g")
        chest.write(make_records(5))
        assert len(one.read(100).entries) == 5
        chest.write(make_records(30))
        client.xtrim("chest", maxlen=10, approximate=False)
        proxy.lost_answer = answer
        with pytest.raises(OSError, match="check host and port"):
            one.read(1)
        found = one.read(100)
        assert (found.lost, other.read(100).lost) == (20, 0)
        one.close()


def test_counts_survive_a_restart() -> None:
    """Redis knows after a crash how many entries were read, so no loss is counted by mistake."""
    with Redis(*DURABLE) as server, closing(FlaskChestRedis(server.url)) as chest:
        group = ConsumerGroup(chest, "g")
        chest.write(make_records(100))
        group.acknowledge(ids(group.read(40)))
        server.stop()
        server.start()
        with closing(redis.Redis(port=server.port)) as client:
            [info] = client.xinfo_groups("chest")
            assert (info["entries-read"], info["lag"]) == (40, 60)
            trim(client, 30)
        taken = group.read(100)
        assert (len(taken.entries), taken.lost) == (30, 30)


def test_trimmed_after_reading(chest: FlaskChestRedis, client: Any) -> None:
    """Trimming entries that were read before is not a loss."""
    group = ConsumerGroup(chest, "g")
    lost = 0
    for _ in range(5):
        chest.write(make_records(40))
        lost += group.read(100).lost
        trim(client, 10)
    assert lost == 0


def test_trimmed_before_claiming(chest: FlaskChestRedis, client: Any) -> None:
    """Trimmed entries of a dead consumer count as lost too."""
    dead, living = ConsumerGroup(chest, "g"), ConsumerGroup(chest, "g")
    chest.write(make_records(100))
    dead.read(100)
    trim(client, 40)
    found: list[bytes] = []
    lost = 0
    while (taken := living.claim(100, 0)).entries and len(found) < 40:
        found += ids(taken)
        lost += taken.lost
        living.acknowledge(ids(taken))
    assert found == in_stream(client)
    assert lost + taken.lost == 60


def names(client: Any) -> Sequence[str]:
    return [each["name"].decode() for each in client.xinfo_consumers("chest", "g")]


def test_delete_idle_consumers(chest: FlaskChestRedis, client: Any) -> None:
    """Idle consumers without pending entries are deleted; those with entries stay."""
    idle, busy, here = (
        ConsumerGroup(chest, "g"),
        ConsumerGroup(chest, "g"),
        ConsumerGroup(chest, "g"),
    )
    here.delete_idle_consumers(0)
    chest.write(make_records(2))
    busy.read(1)
    idle.acknowledge(ids(idle.read(1)))
    here.delete_idle_consumers(60_000)
    assert sorted(names(client)) == sorted([busy.consumer, idle.consumer])
    here.delete_idle_consumers(0)
    assert names(client) == [busy.consumer]
    busy.acknowledge(in_stream(client))
    busy.delete_consumer()
    assert names(client) == []


def test_key_of_another_type(chest: FlaskChestRedis, client: Any) -> None:
    """The error is an OSError, as delivery expects, and has address and remedy."""
    client.set("chest", "theirs")
    group = ConsumerGroup(chest, "g")
    message = r"chest 'redis' at redis://.*name another stream"
    with pytest.raises(OSError, match=message):
        group.read(1)
    with pytest.raises(OSError, match=message):
        group.claim(1, 0)


def test_server_too_old(chest: FlaskChestRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is too old is an OSError as well."""
    monkeypatch.setattr("flask_chest.chests.redis.chest._OLDEST", (99, 0))
    with pytest.raises(OSError, match="is too old; run Redis 7 or newer"):
        ConsumerGroup(chest, "g").read(1)


def test_permissions(server: Redis, chest: FlaskChestRedis, client: Any) -> None:
    """The documented commands suffice; the error for a missing permission has a remedy."""
    rights = ["eval", "exists", "xinfo", "xgroup", "xreadgroup", "xautoclaim", "xclaim", "xack"]
    client.acl_setuser(
        "reader",
        enabled=True,
        passwords=["+hunter22"],
        keys=["chest"],
        commands=[f"+{right}" for right in rights],
        reset=True,
    )
    chest.write(make_records(2))
    with closing(FlaskChestRedis(f"redis://reader:hunter22@127.0.0.1:{server.port}")) as theirs:
        group = ConsumerGroup(theirs, "g")
        entries = ids(group.read(10))
        group.renew(entries)
        group.claim(10, 0)
        group.acknowledge(entries)
        group.delete_idle_consumers(0)
        group.read(10)
        group.delete_consumer()
        client.acl_setuser("reader", commands=["-xreadgroup"])
        with pytest.raises(OSError, match="grant this user") as caught:
            group.read(10)
    assert "hunter22" not in str(caught.value)
