"""The shop under gunicorn writes to five stores at once, one of them down the whole time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import requests
from pymongo import MongoClient

from tests.servers.gunicorn import gunicorn
from tests.servers.http import HTTPRecorder
from tests.servers.influxdb import InfluxDB
from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL
from tests.waiting import wait_until

pytestmark = pytest.mark.server

REQUESTS = 200
PATHS = ["/", "/products", "/nowhere", "/products?page=2"]

Ids = Callable[[], list[str]]


class Stores:
    """Five servers, and queries for their records."""

    def __init__(self, stack: ExitStack) -> None:
        self.postgresql = stack.enter_context(PostgreSQL())
        self.mariadb = stack.enter_context(MariaDB())
        self.mongodb = stack.enter_context(MongoDB())
        self.influxdb = stack.enter_context(InfluxDB())
        self.http = stack.enter_context(HTTPRecorder())

    def config(self) -> str:
        servers = (self.postgresql, self.mariadb, self.mongodb, self.influxdb, self.http)
        return json.dumps([server.url for server in servers])

    def in_postgresql(self) -> list[str]:
        with psycopg.connect(self.postgresql.url) as connection:
            return [
                found for (found,) in connection.execute("SELECT request_id FROM chest_records")
            ]

    def in_mariadb(self) -> list[str]:
        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.mariadb.port,
            user="chest",
            password="secret",
            database="chest",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT request_id FROM chest_records")
            return [found for (found,) in cursor.fetchall()]

    def in_mongodb(self) -> list[str]:
        with MongoClient[dict[str, Any]](self.mongodb.url) as client:
            return [found["request_id"] for found in client.chest.chest_records.find()]

    def in_influxdb(self) -> list[str]:
        rows = self.influxdb.query("SELECT request_id FROM flask_chest")
        return [row["request_id"] for row in rows]

    def in_http(self) -> list[str]:
        posts = [post.json for post in self.http.requests if post.method == "POST"]
        return [record["request_id"] for post in posts for record in post]


@pytest.fixture
def stores() -> Iterator[Stores]:
    with ExitStack() as stack:
        yield Stores(stack)


def test_four_complete_and_the_fifth_catches_up(stores: Stores, tmp_path: Path) -> None:
    """Four stores have every request once; the fifth has them too soon after its start."""
    stores.mongodb.stop()
    environment = {"FLASK_CHEST_CHESTS": stores.config(), "FLASK_CHEST_EXPORT_TIMEOUT": "2"}
    shop = f"examples.shop:create_app({str(tmp_path)!r})"
    with gunicorn(shop, tmp_path, workers=2, threads=2, env=environment) as server:
        with requests.Session() as session:
            answers = [
                session.get(server.url + PATHS[number % len(PATHS)], timeout=60)
                for number in range(REQUESTS)
            ]
        sent = sorted(answer.headers["X-Request-ID"] for answer in answers)
        four: list[Ids] = [
            stores.in_postgresql,
            stores.in_mariadb,
            stores.in_influxdb,
            stores.in_http,
        ]
        for store in four:
            wait_until_complete(store, sent, lambda: server.log)
        stores.mongodb.start()
        wait_until_complete(stores.in_mongodb, sent, lambda: server.log)
    for secret in ("secret", "influx-token"):
        assert secret not in server.log


def wait_until_complete(store: Ids, sent: list[str], log: Callable[[], str]) -> None:
    """Wait until a store has each sent request once."""

    def found() -> list[str]:
        # The table may not exist yet.
        with suppress(psycopg.Error, pymysql.Error):
            return sorted(store())
        return []

    def told() -> str:
        return f"{store.__name__}: {len(found())} of {len(sent)}\n{log()[-2000:]}"

    wait_until(lambda: len(found()) >= len(sent), told)
    assert found() == sent, told()


def test_sqlite_among_servers(tmp_path: Path) -> None:
    """SQLite, which needs no server, works together with the others."""
    shop = f"examples.shop:create_app({str(tmp_path)!r})"
    environment = {"FLASK_CHEST_SHUTDOWN_TIMEOUT": "20"}
    with gunicorn(shop, tmp_path, workers=2, env=environment) as server:
        answers = [requests.get(server.url, timeout=60) for _ in range(20)]
    sent = sorted(answer.headers["X-Request-ID"] for answer in answers)
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        found = connection.execute("SELECT request_id FROM chest_records").fetchall()
    assert sorted(request_id for (request_id,) in found) == sent
