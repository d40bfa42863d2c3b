"""Tests the Redis chest against a real server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from flask_chest.chests.base import AppInfo
from flask_chest.chests.factory import make_chest
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
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
    """A client of the emptied server."""
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
    """The chest passes the common suite, including a stopped and an unresponsive server."""
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
    """An entry has one field: the record's encoded line, unchanged."""
    line = encode(make_records(1)[0])
    chest = chest_of(server, stream="orders")
    chest.write(Batch([line]))
    chest.close()
    [(_, fields)] = client.xrange("orders")
    assert fields == {b"record": line}


@pytest.mark.server
def test_maxlen(server: Redis, client: Any) -> None:
    """Redis trims the oldest entries of a stream longer than maxlen, give or take a node."""
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
    """The chest remembers at least as many ids as the window, and at most twice as many."""
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
def test_line_in_another_order(server: Redis, client: Any) -> None:
    """A repeated record is recognized even if its line has its names in another order."""
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
    """The next write deletes entries older than the retention."""
    client.xadd("chest", {"record": b"{}"}, id="1-0")
    chest = chest_of(server)
    chest.bind(AppInfo(instance_path=Path(), retention_seconds=3600))
    records = make_records(2)
    chest.write(records)
    chest.close()
    assert ids_in(client) == [record.id for record in records]


@pytest.mark.server
@pytest.mark.parametrize("key", ["chest", "{chest}:ids"])
def test_key_of_another_type(server: Redis, client: Any, key: str) -> None:
    """If a key has another type, records wait; the error has chest, address and remedy."""
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
def test_check_of_a_key_of_another_type(server: Redis, client: Any) -> None:
    """The chest's check reports a key of another type too."""
    chest = chest_of(server)
    chest.check()
    client.sadd("chest", "theirs")
    with pytest.raises(DeliveryError, match="the key 'chest' is a set; name another one"):
        chest.check()
    chest.close()


@pytest.mark.server
def test_too_large_record(server: Redis, client: Any) -> None:
    """A record too large for the server is rejected; the rest of its batch is stored."""
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
    """The error for a full server has a remedy; a retry stores no record twice."""
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
def test_eviction_warning(server: Redis, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The chest warns once about a server that may evict the stream."""
    client.config_set("maxmemory-policy", "allkeys-lru")
    chest = chest_of(server)
    try:
        with caplog.at_level(logging.WARNING):
            chest.write(make_records(1))
            chest.write(make_records(1))
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    chest.close()
    [message] = caplog.messages
    assert "may drop the whole stream" in message


@pytest.mark.server
def test_passwords_and_permissions(server: Redis, client: Any) -> None:
    """Errors for wrong passwords and missing permissions have a remedy, but no password."""
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
    with closing(make_chest(url)) as another:
        another.bind(AppInfo(instance_path=Path(), retention_seconds=3600.0))
        store = partial(another.write, make_records(1))
        for command, act in (("+xtrim", store), ("+time", another.clock)):
            with pytest.raises(DeliveryError, match="grant this user the commands"):
                act()
            client.acl_setuser("few", enabled=True, commands=[command])
            act()
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
def test_denied_server_information(server: Redis, client: Any, denied: str) -> None:
    """Records are stored even if INFO or CONFIG is denied, as on hosted servers."""
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
    """The error for an unknown database has a remedy."""
    chest = make_chest(server.url.replace("/0", "/99"))
    with pytest.raises(DeliveryError, match="name another database"):
        chest.write(make_records(1))
    chest.close()


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS with a private CA works; without the CA, or with another host name, it fails."""
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
    """The error for an unreachable server has chest, address and remedy, but no password."""
    chest = make_chest({"url": "redis://me:hunter22@nowhere.invalid/3", "name": "orders"})
    chest.bind(AppInfo(instance_path=Path(), timeout=0.5))
    with pytest.raises(DeliveryError, match="check host and port") as caught:
        chest.write(make_records(1))
    chest.close()
    for text in (str(caught.value), repr(chest)):
        assert "hunter22" not in text
        assert "redis://me@nowhere.invalid/3?stream=chest" in text


@pytest.mark.parametrize(
    ("version", "supported"), [("6.2.14", False), ("7.0.15", True), ("", True)]
)
def test_versions(version: str, supported: bool) -> None:
    """The error for a server that is too old has its version and a remedy."""
    chest = FlaskChestRedis("redis://localhost")
    if supported:
        chest.check_version(version)
        return
    with pytest.raises(DeliveryError, match=r"Redis 6\.2\.14 is too old; run Redis 7 or newer"):
        chest.check_version(version)


@pytest.mark.parametrize(
    ("url", "arguments", "message"),
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
def test_wrong_arguments(url: str, arguments: dict[str, Any], message: str) -> None:
    """Wrong arguments raise ConfigError in the constructor."""
    with pytest.raises(ConfigError, match=message):
        make_chest({"url": url, **arguments})


def test_wrong_scheme() -> None:
    """The class accepts only redis:// and rediss:// URLs."""
    with pytest.raises(ConfigError, match="is not 'redis://'"):
        FlaskChestRedis("mysql://h")


def test_options_in_the_url() -> None:
    """The URL may set stream, maxlen and window; arguments override them."""
    chest = FlaskChestRedis("redis://h/2?stream=orders&maxlen=5000&window=7", window=9)
    assert (chest.stream, chest.maxlen, chest.window, chest.database) == ("orders", 5000, 9, 2)
    assert chest.keys == ("orders", "{orders}:ids", "{orders}:ids:before")
    assert FlaskChestRedis("redis://h?stream={shop}:chest").keys[1] == "{shop}:chest:ids"


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-py, the constructor says which extra to install."""
    monkeypatch.setattr("flask_chest.chests.drivers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[redis\]"'):
        FlaskChestRedis("redis://localhost")
