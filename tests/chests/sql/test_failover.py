"""Delivery follows a failover, to the server that accepts writes now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.server_chest import ServerChest
from flask_chest.errors import DeliveryError
from flask_chest.testing import make_records
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.tcp_proxy import TCPProxy

pytestmark = pytest.mark.server


class Pair:
    """Two servers: a proxy leads to the first one, until it is demoted."""

    def __init__(self, first: PostgreSQL | MariaDB, second: PostgreSQL | MariaDB) -> None:
        self.first, self.second = first, second

    def demote(self) -> None:
        """Let the first server refuse writes, also in connections that exist."""
        if isinstance(self.first, MariaDB):
            self._ask_mariadb("SET GLOBAL read_only = ON", "root")
            return
        with psycopg.connect(self.first.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")

    def chest(self, port: int) -> ServerChest:
        url = self.first.url.replace(str(self.first.port), str(port))
        if isinstance(self.first, MariaDB):
            return FlaskChestMySQL(url)
        return FlaskChestPostgreSQL(url)

    def stored_in_second(self) -> int:
        query = "SELECT count(*) FROM chest_records"
        if isinstance(self.second, MariaDB):
            [(count,)] = self._ask_mariadb(query, "chest", "secret", self.second.port)
            return int(count)
        with psycopg.connect(self.second.url) as connection:
            [(count,)] = connection.execute(query.encode()).fetchall()
            return int(count)

    def _ask_mariadb(self, query: str, user: str, password: str = "", port: int = 0) -> Any:
        with (
            pymysql.connect(
                host="127.0.0.1",
                port=port or self.first.port,
                user=user,
                password=password,
                database="chest",
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query)
            return cursor.fetchall()


@pytest.fixture(params=[PostgreSQL, MariaDB])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with request.param() as first, request.param() as second:
        yield Pair(first, second)


def write_until_refused(chest: ServerChest) -> None:
    """Write until the connection notices that its server was demoted, which takes a moment."""
    with pytest.raises(DeliveryError, match="accepts no writes"):
        for _ in range(10_000):
            chest.write(make_records(1))


@contextmanager
def collected(messages: list[str]) -> Iterator[None]:
    try:
        yield
    except DeliveryError as error:
        messages.append(str(error))


def test_demoted_server(pair: Pair) -> None:
    """The connection to a server that became read-only is closed; the next one leads elsewhere."""
    with TCPProxy(pair.first.port) as proxy:
        chest = pair.chest(proxy.port)
        chest.write(make_records(3))
        pair.demote()
        proxy.target = pair.second.port
        write_until_refused(chest)
        chest.write(make_records(2))
        chest.close()
    assert pair.stored_in_second() == 2


def test_lost_connections(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A connection may break at any packet: the error is the server's, and nothing is logged."""
    caplog.set_level(logging.DEBUG)
    messages: list[str] = []
    with TCPProxy(pair.first.port) as proxy:
        for number in range(1, 21):
            chest = pair.chest(proxy.port)
            proxy.max_packets = number
            with collected(messages):
                chest.write(make_records(2))
            chest.close()
        proxy.max_packets = None
        chest.write(make_records(2))
        chest.close()
    assert messages
    assert [message for message in messages if "that the server runs" not in message] == []
    assert [message for message in messages if "rollback" in message] == []
    assert [line.getMessage() for line in caplog.records if line.exc_info] == []
    assert [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR] == []


def test_several_hosts() -> None:
    """A PostgreSQL URL may list all servers; the chest writes to the one that accepts writes."""
    with PostgreSQL() as first, PostgreSQL() as second:
        pair = Pair(first, second)
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        chest = FlaskChestPostgreSQL(
            f"postgresql://chest:secret@{hosts}/chest?target_session_attrs=read-write"
        )
        chest.write(make_records(3))
        pair.demote()
        write_until_refused(chest)
        chest.write(make_records(2))
        chest.close()
        assert pair.stored_in_second() == 2
