"""The MySQL chest with a Galera cluster of two MariaDB nodes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.errors import DeliveryError
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.galera import GaleraNode, galera
from tests.servers.tcp_proxy import TCPProxy

from .rollups.suite import days_of_records, maintain, now

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[GaleraNode, GaleraNode]]:
    with galera() as pair:
        yield pair


def ask(node: GaleraNode, statement: str) -> list[tuple[Any, ...]]:
    with (
        pymysql.connect(
            host="127.0.0.1", port=node.port, user="root", database="chest", autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        # A node waits until it has applied what the other nodes had committed before.
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute(statement)
        return list(cursor.fetchall())


def write_until_accepted(chest: FlaskChestMySQL, records: list[Record]) -> None:
    """Write as delivery does; conflicts between nodes are errors that pass."""
    for _ in range(10):
        try:
            return chest.write(records)
        except DeliveryError:
            continue
    pytest.fail("the batch was never accepted")


def test_both_nodes(nodes: tuple[GaleraNode, GaleraNode]) -> None:
    """Workers of both nodes create the tables at once; a batch that both write is stored once."""
    batches = [make_records(20) for _ in range(10)]
    chests = [FlaskChestMySQL(node.url) for node in nodes]

    def deliver(chest: FlaskChestMySQL) -> None:
        for batch in batches:
            write_until_accepted(chest, batch)

    threads = [threading.Thread(target=deliver, args=[chest]) for chest in chests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node, chest in zip(nodes, chests, strict=True):
        assert ask(node, "SELECT count(*) FROM chest_records") == [(200,)]
        chest.close()


def test_rollups(nodes: tuple[GaleraNode, GaleraNode]) -> None:
    """The rollups that a worker of one node writes are on the other node."""
    chest = FlaskChestMySQL(nodes[0].url, table="rolled_up")
    chest.write(list(days_of_records(now())))
    maintain(chest)
    chest.close()
    [(count,)] = ask(nodes[1], "SELECT count(*) FROM rolled_up_rollups")
    assert count > 0


def test_node_that_accepts_no_statements(nodes: tuple[GaleraNode, GaleraNode]) -> None:
    """The next batch leads to the other node, when the proxy has moved there."""
    first, second = nodes
    with TCPProxy(first.port) as proxy:
        url = first.url.replace(str(first.port), str(proxy.port))
        chest = FlaskChestMySQL(url, table="moved")
        chest.write(make_records(2))
        # Until it has created the table, too, the second node refuses statements for it (1684).
        assert ask(second, "SELECT count(*) FROM moved") == [(2,)]
        ask(first, "SET GLOBAL wsrep_reject_queries = ALL")
        proxy.target = second.port
        with pytest.raises(DeliveryError, match=r"1047.*accepts no statements"):
            chest.write(make_records(1))
        chest.write(make_records(3))
        chest.close()
    assert ask(second, "SELECT count(*) FROM moved") == [(5,)]
