"""After a failover, the address leads to another server, and the chest follows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.redis.consumer_group import ConsumerGroup
from flask_chest.errors import DeliveryError
from flask_chest.testing import make_records
from tests.servers.redis import Redis
from tests.servers.tcp_proxy import TCPProxy

pytestmark = pytest.mark.server


@pytest.fixture
def servers() -> Iterator[tuple[Redis, Redis]]:
    with Redis() as first, Redis() as second:
        yield first, second


def test_a_demoted_server(servers: tuple[Redis, Redis]) -> None:
    """A chest and a relay leave a server that has become a replica, without a restart."""
    first, second = servers
    with TCPProxy(first.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        chest, group = FlaskChestRedis(url), ConsumerGroup(FlaskChestRedis(url), "relay")
        chest.write(make_records(1))
        assert len(group.read(10).entries) == 1
        proxy.target = second.port
        with redis.Redis(port=first.port) as demoted:
            demoted.replicaof("127.0.0.1", second.port)
        records = make_records(2)
        with pytest.raises(DeliveryError, match=r"ReadOnlyError|READONLY") as caught:
            chest.write(records)
        assert "name the primary" in str(caught.value)
        with pytest.raises(OSError, match="name the primary"):
            group.read(10)
        chest.write(records)
        assert len(group.read(10).entries) == 2
        chest.close()
        group.close()
    with redis.Redis(port=second.port) as promoted:
        assert promoted.xlen("chest") == 2
