"""Redis Streams, against a server of its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from flask_chest.chests.base import AppInfo
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.registry import make_chest
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.encoding import Batch, encode
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.daemon import free_port
from tests.servers.redis import DURABLE, Redis

SMALL_VALUES = ("--proto-max-bulk-len", "1mb")


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis(*DURABLE, *SMALL_VALUES) as server:
        yield server


@pytest.fixture
def client(server: Redis) -> Iterator[Any]:
    """A client of the server, which is empty."""
    with closing(redis.Redis(port=server.port)) as client:
        client.flushall()
        yield client


def ids_in(client: Any, stream: str = "chest") -> list[str]:
    return [json.loads(fields[b"record"])["id"] for _, fields in client.xrange(stream)]


def chest_of(server: Redis, **arguments: Any) -> FlaskChestRedis:
    chest = FlaskChestRedis(server.url, **arguments)
    chest.bind(AppInfo(instance_path=Path(), timeout=20))
    return chest


@pytest.mark.server
def test_conforms(server: Redis, client: Any) -> None:
    """It passes the suite that every backend must pass, with its server stopped and silenced."""
    done = check_chest(
        lambda: FlaskChestRedis(server.url),
        read=lambda: ids_in(client),
        poison=replace(make_records(1)[0], vars={"text": "x" * (2 * 1024 * 1024)}),
        server=server,
        timeout=5,
    )
    assert len(done) == 6


@pytest.mark.server
def test_entry(server: Redis, client: Any) -> None:
    """An entry has one field, the record's line as it was encoded."""
    line = encode(make_records(1)[0])
    chest = chest_of(server, stream="orders")
    chest.write(Batch([line]))
    chest.close()
    [(_, fields)] = client.xrange("orders")
    assert fields == {b"record": line}


@pytest.mark.server
def test_length_cap(server: Redis, client: Any) -> None:
    """The oldest entries go when there are more than the cap, give or take a node of Redis."""
    records = make_records(2000)
    chest = chest_of(server, maxlen=500)
    for start in range(0, 2000, 250):
        chest.write(records[start : start + 250])
    chest.close()
    kept = ids_in(client)
    assert 500 <= len(kept) <= 600
    assert kept == [record.id for record in records[-len(kept) :]]


@pytest.mark.server
def test_window(server: Redis, client: Any) -> None:
    """Ids are remembered for a while: at least as many as the window says, at most twice that."""
    records = make_records(1000)
    chest = chest_of(server, window=200)
    for start in range(0, 1000, 100):
        chest.write(records[start : start + 100])
    chest.write(records[-200:])
    assert client.xlen("chest") == 1000
    remembered = sum(client.scard(key) for key in chest.keys[1:])
    assert 200 <= remembered <= 400
    chest.write(records[:10])
    chest.close()
    assert client.xlen("chest") == 1010


@pytest.mark.server
def test_a_line_of_another_order(server: Redis, client: Any) -> None:
    """A line whose names stand in another order is known again, too."""
    record = make_records(1)[0]
    values = json.loads(encode(record))
    other = json.dumps(dict(reversed(values.items()))).encode()
    chest = chest_of(server)
    chest.write([record])
    chest.write(Batch([other]))
    chest.close()
    assert client.xlen("chest") == 1


@pytest.mark.server
def test_retention(server: Redis, client: Any) -> None:
    """Entries that have lain there for longer than the retention go with the next write."""
    client.xadd("chest", {"record": b"{}"}, id="1-0")
    chest = chest_of(server)
    chest.bind(AppInfo(instance_path=Path(), retention_seconds=3600))
    records = make_records(2)
    chest.write(records)
    chest.close()
    assert ids_in(client) == [record.id for record in records]


@pytest.mark.server
@pytest.mark.parametrize("key", ["chest", "{chest}:ids"])
def test_a_key_that_is_no_stream(server: Redis, client: Any, key: str) -> None:
    """Records wait where a key holds something else; the error says which, where, what to do."""
    client.set(key, "theirs")
    chest = chest_of(server)
    with pytest.raises(DeliveryError, match=r"name another stream: \?stream=") as caught:
        chest.write(make_records(1))
    assert f"chest 'redis' at redis://127.0.0.1:{server.port}/0?stream=chest" in str(caught.value)
    assert client.get(key) == b"theirs"
    client.delete(key)
    chest.write(make_records(1))
    chest.close()


@pytest.mark.server
def test_check_sees_a_key_that_is_no_stream(server: Redis, client: Any) -> None:
    """Whoever asks for the chest's health is told, too."""
    chest = chest_of(server)
    chest.check()
    client.sadd("chest", "theirs")
    with pytest.raises(DeliveryError, match="the key 'chest' is a set; name another one"):
        chest.check()
    chest.close()


@pytest.mark.server
def test_too_large_alone(server: Redis, client: Any) -> None:
    """A record that is too large for the server is named; the others of its batch are stored."""
    records = make_records(3)
    records[1] = replace(records[1], vars={"text": "x" * 1024 * 1024})
    chest = chest_of(server)
    with pytest.raises(RejectedError, match="proto-max-bulk-len is 1048576") as caught:
        chest.write(records)
    chest.close()
    assert caught.value.record_ids == frozenset([records[1].id])
    assert ids_in(client) == [records[0].id, records[2].id]


@pytest.mark.server
def test_full_memory(server: Redis, client: Any) -> None:
    """A server without room is told with its remedy; what it took before is not stored twice."""
    chest = chest_of(server)
    records = make_records(300)
    chest.write(records[:100])
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(DeliveryError, match="raise the server's 'maxmemory'"):
            chest.write(records)
    finally:
        client.config_set("maxmemory", "0")
    chest.write(records)
    chest.close()
    assert ids_in(client) == [record.id for record in records]


@pytest.mark.server
def test_eviction_is_warned_of(
    server: Redis, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that may drop the stream for want of memory is told of, once."""
    client.config_set("maxmemory-policy", "allkeys-lru")
    chest = chest_of(server)
    try:
        with caplog.at_level(logging.WARNING):
            chest.write(make_records(1))
            chest.write(make_records(1))
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    chest.close()
    [told] = caplog.messages
    assert "may drop the whole stream" in told


@pytest.mark.server
def test_users(server: Redis, client: Any) -> None:
    """A wrong password is told without it; a user needs few rights, and is told of lacking ones."""
    client.acl_setuser("few", enabled=True, passwords=["+hunter22"], reset=True)
    url = f"redis://few:hunter22@127.0.0.1:{server.port}/0"
    chest = make_chest(url)
    with pytest.raises(DeliveryError, match="grant this user the commands"):
        chest.write(make_records(1))
    rights = ["+eval", "+xadd", "+sadd", "+sismember", "+scard", "+unlink", "+rename"]
    client.acl_setuser(
        "few",
        enabled=True,
        passwords=["+hunter22"],
        keys=["chest", "{chest}:ids*"],
        commands=rights,
        reset=True,
    )
    chest.write(make_records(1))
    assert client.xlen("chest") == 1
    with pytest.raises(DeliveryError, match="grant this user the commands"):
        chest.check()
    client.acl_setuser("few", enabled=True, commands=["+type"])
    chest.check()
    with closing(make_chest(url.replace("/0", "/1"))) as another:
        with pytest.raises(DeliveryError, match="grant this user the commands"):
            another.write(make_records(1))
        client.acl_setuser("few", enabled=True, commands=["+select"])
        another.write(make_records(1))
    client.acl_setuser("few", commands=["-xadd"])
    with pytest.raises(DeliveryError, match="grant this user the commands"):
        chest.write(make_records(1))
    chest.close()
    wrong = make_chest(url.replace("hunter22", "hunter23"))
    with pytest.raises(DeliveryError, match="check user and password") as caught:
        wrong.write(make_records(1))
    wrong.close()
    assert "hunter23" not in str(caught.value)
    assert "redis://few@127.0.0.1" in str(caught.value)


@pytest.mark.server
@pytest.mark.parametrize("denied", ["-info", "-config"])
def test_a_server_that_does_not_tell_of_itself(server: Redis, client: Any, denied: str) -> None:
    """Where INFO or CONFIG is denied, as hosted servers do it, records are stored all the same."""
    client.acl_setuser(
        "most",
        enabled=True,
        passwords=["+hunter22"],
        keys=["*"],
        commands=["+@all", denied],
        reset=True,
    )
    chest = make_chest(f"redis://most:hunter22@127.0.0.1:{server.port}/0")
    chest.write(make_records(1))
    chest.close()
    assert client.xlen("chest") == 1


@pytest.mark.server
def test_no_such_database(server: Redis) -> None:
    """A database that the server does not have is told with the remedy."""
    chest = make_chest(server.url.replace("/0", "/99"))
    with pytest.raises(DeliveryError, match="name another database"):
        chest.write(make_records(1))
    chest.close()


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS with a private CA works; without the CA, or for another name, it is refused."""
    ca = PrivateCA(tmp_path)
    certificate, key = ca.server_files("127.0.0.1")
    port = free_port()
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with Redis(*files, "--tls-port", str(port), "--tls-auth-clients", "no") as server:
        good = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca.file}"
        wrong_name = good.replace("127.0.0.1", "localhost")
        for url, works in ((good, True), (good.partition("?")[0], False), (wrong_name, False)):
            chest = make_chest(url)
            chest.bind(AppInfo(instance_path=Path(), timeout=20))
            if works:
                chest.write(make_records(1))
            else:
                with pytest.raises(DeliveryError, match="check the server's certificate"):
                    chest.write(make_records(1))
            chest.close()
        assert server.port != port


def test_wrong_host() -> None:
    """An unreachable server is told with chest, address and remedy, and without the password."""
    chest = make_chest({"url": "redis://me:hunter22@nowhere.invalid/3", "name": "orders"})
    chest.bind(AppInfo(instance_path=Path(), timeout=0.5))
    with pytest.raises(DeliveryError, match="check host and port") as caught:
        chest.write(make_records(1))
    chest.close()
    for text in (str(caught.value), repr(chest)):
        assert "hunter22" not in text
        assert "redis://me@nowhere.invalid/3?stream=chest" in text


@pytest.mark.parametrize(("version", "taken"), [("6.2.14", False), ("7.0.15", True), ("", True)])
def test_versions(version: str, taken: bool) -> None:
    """A server that is too old is told with its version and the remedy."""
    chest = FlaskChestRedis("redis://localhost")
    if taken:
        chest.check_version(version)
        return
    with pytest.raises(DeliveryError, match=r"Redis 6\.2\.14 is too old; run Redis 7 or newer"):
        chest.check_version(version)


@pytest.mark.parametrize(
    ("url", "arguments", "told"),
    [
        ("redis://h/0?steam=x", {}, "did you mean 'stream'"),
        ("redis://h/zero", {}, "'zero' is no number"),
        ("redis://h/0?maxlen=0", {}, "maxlen 0: expected a whole number above 0"),
        ("redis://h/0", {"maxlen": True}, "maxlen True"),
        ("redis://h/0?window=many", {}, "window 'many'"),
        ("redis://h/0?ssl_ca_certs=x", {}, "'ssl_ca_certs' is for TLS"),
        ("redis://h:port/0", {}, "no number"),
    ],
)
def test_wrong_arguments(url: str, arguments: dict[str, Any], told: str) -> None:
    """What cannot be is told at start-up."""
    with pytest.raises(ConfigError, match=told):
        make_chest({"url": url, **arguments})


def test_wrong_scheme() -> None:
    """The class takes the URLs of its own only."""
    with pytest.raises(ConfigError, match="is not 'redis://'"):
        FlaskChestRedis("mysql://h")


def test_options_in_the_url() -> None:
    """Stream, cap and window may stand in the URL; an argument wins."""
    chest = FlaskChestRedis("redis://h/2?stream=orders&maxlen=5000&window=7", window=9)
    assert (chest.stream, chest.maxlen, chest.window, chest.database) == ("orders", 5000, 9, 2)
    assert chest.keys == ("orders", "{orders}:ids", "{orders}:ids:before")
    assert FlaskChestRedis("redis://h?stream={shop}:chest").keys[1] == "{shop}:chest:ids"


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-py the constructor says which extra to install."""
    monkeypatch.setattr("flask_chest.chests.client.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[redis\]"'):
        FlaskChestRedis("redis://localhost")
