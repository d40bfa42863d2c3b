"""The shop with ClickHouse: only CHEST_CHESTS changes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from examples.shop.traffic import drive
from tests.servers.clickhouse import ClickHouse
from tests.servers.gunicorn import gunicorn
from tests.waiting import wait_until

pytestmark = pytest.mark.server

REQUESTS = 300

COUNTS = "select route, method, status, count(*), sum(duration_ms) from {0} group by 1, 2, 3"
SUMS = "select name, count(*), count(distinct value) from {1} group by name"
TOTAL = "select count(*), sum({2}) from {0} where route = '/checkout' and status = 201"
IN_SQLITE = ("chest_records", "chest_vars", "json_extract(vars, '$.total')")
IN_CLICKHOUSE = ("chest_records final", "chest_vars", "JSONExtractFloat(vars, 'total')")


def test_same_records_as_sqlite(tmp_path: Path) -> None:
    """Counts and sums are the same as in SQLite, although the server is killed under load."""
    with ClickHouse() as server:
        environment = {
            "FLASK_CHEST_CHESTS": json.dumps(["sqlite:///chest.db", server.url]),
            "FLASK_CHEST_EXPORT_INTERVAL": "0.1",
            "FLASK_CHEST_EXPORT_TIMEOUT": "5",
        }
        shop = f"examples.shop:create_app({str(tmp_path)!r})"
        with gunicorn(shop, tmp_path, workers=2, threads=2, env=environment) as running:
            answers = drive(running.url, count=REQUESTS, sessions=4, seed=11)
            served = len(list(islice(answers, REQUESTS // 3)))
            server.stop()
            served += len(list(islice(answers, REQUESTS // 3)))
            server.start()
            served += len(list(answers))
            assert served >= REQUESTS
            log = running.log
            count = "select count(*) from {0}"
            wait_until(lambda: has(lambda: in_sqlite(tmp_path, count), served), lambda: log)
            wait_until(lambda: has(lambda: in_clickhouse(server, count), served), lambda: log)
        for question in (COUNTS, SUMS, TOTAL):
            assert same(in_sqlite(tmp_path, question), in_clickhouse(server, question)), question
        assert "secret" not in log


def has(count: Callable[[], list[Any]], wanted: int) -> bool:
    """Return whether a store has this many records; its table may not exist yet."""
    with suppress(sqlite3.Error, ClickHouseError):
        return count() == [(wanted,)]
    return False


def in_sqlite(folder: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "chest.db")) as connection:
        return connection.execute(question.format(*IN_SQLITE)).fetchall()


def in_clickhouse(server: ClickHouse, question: str) -> list[Any]:
    return list(server.ask(question.format(*IN_CLICKHOUSE)))


def same(one: list[Any], other: list[Any]) -> bool:
    """Compare rows in any order; sums may differ in the last digits."""
    mine, theirs = ({row[:-1]: row[-1] for row in rows} for rows in (one, other))
    return bool(mine) and mine == pytest.approx(theirs)
