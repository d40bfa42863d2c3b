"""The shop writes to a stream and to SQLite: both give the same counts and sums."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis as Client

from examples.shop.server import serve
from examples.shop.traffic import drive
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import DURABLE, Redis
from tests.waiting import wait_until

from .relay_process import Relay

pytestmark = pytest.mark.server

REQUESTS = 400
COUNTS = """
    SELECT method, route, status, count(*) FROM chest_records
    GROUP BY method, route, status ORDER BY 1, 2, 3
"""
# In PostgreSQL, the view's values are texts, and reading a number rounds it.
SUMS = """
    SELECT name, count(*), sum(CAST(value AS {number})) FROM chest_vars
    WHERE name IN ('total', 'items', 'results', 'page', 'rows') GROUP BY name ORDER BY name
"""


@pytest.fixture
def stream() -> Iterator[Redis]:
    with Redis(*DURABLE) as stream:
        yield stream


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as database:
        yield database


def in_sqlite(file: Path) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        counts = connection.execute(COUNTS.replace("route", "coalesce(route, '')")).fetchall()
        sums = connection.execute(SUMS.format(number="REAL")).fetchall()
    return [counts, rounded(sums)]


def in_postgresql(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        counts = connection.execute(COUNTS.replace("route", "coalesce(route, '') COLLATE \"C\""))
        sums = connection.execute(SUMS.format(number="float").encode())
        return [counts.fetchall(), rounded(sums.fetchall())]


def rounded(sums: list[Any]) -> list[Any]:
    return [(name, count, round(total, 6)) for name, count, total in sums]


def test_same_counts_and_sums(
    stream: Redis,
    database: PostgreSQL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The relayed records are the same, although Redis is killed and restarted."""
    chests = ["sqlite:///chest.db", {"url": stream.url, "name": "stream"}]
    monkeypatch.setenv("FLASK_CHEST_CHESTS", json.dumps(chests))
    monkeypatch.setenv("FLASK_CHEST_SHUTDOWN_TIMEOUT", "20")
    other = tmp_path / "other"
    other.mkdir()
    shop = f"examples.shop:create_app({str(tmp_path)!r})"
    elsewhere = f"examples.shop:create_app({str(other)!r})"
    with (
        Relay(tmp_path, "stream", database.url, app=shop) as one,
        Relay(other, stream.url, "sqlite:///relayed.db", app=elsewhere) as two,
    ):
        with serve(tmp_path, workers=2) as url:
            for number, answer in enumerate(drive(url, count=REQUESTS, seed=5)):
                assert answer.status is not None
                if number == REQUESTS // 3:
                    stream.stop()
                if number == REQUESTS // 2:
                    stream.start()
        expected = in_sqlite(tmp_path / "chest.db")
        assert sum(count for *_, count in expected[0]) == REQUESTS
        assert len(expected[1]) > 1
        shop_log = (tmp_path / "gunicorn.log").read_text(errors="replace")
        assert count_entries(stream) == REQUESTS, shop_log  # else the rest is in the journal
        wait_until(
            lambda: count_in(database.url) >= REQUESTS,
            lambda: f"{count_in(database.url)} relayed, {groups_of(stream)}\n{one.log()}",
        )
        wait_until(lambda: has_table(other / "relayed.db"), two.log)
        wait_until(lambda: in_sqlite(other / "relayed.db") == expected, two.log)
        assert in_postgresql(database.url) == expected
        for relay in (one, two):
            assert relay.stop().startswith(f"stopped; {REQUESTS} delivered, 0 rejected, 0 lost")


def has_table(file: Path) -> bool:
    if not file.exists():
        return False
    with closing(sqlite3.connect(file)) as connection:
        asked = "SELECT 1 FROM sqlite_master WHERE name = 'chest_records'"
        return connection.execute(asked).fetchone() is not None


def count_entries(stream: Redis) -> int:
    with Client.from_url(stream.url) as client:
        return int(client.xlen("chest"))


def groups_of(stream: Redis) -> Any:
    with Client.from_url(stream.url) as client:
        return client.xinfo_groups("chest")


def count_in(url: str) -> int:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('chest_records')").fetchone() == (None,):
            return 0
        found = connection.execute("SELECT count(*) FROM chest_records").fetchone()
    assert found is not None
    return int(found[0])
