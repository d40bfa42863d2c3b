"""The shop writes to SQLite and to a second store that fails for a while: both end up complete."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from examples.shop.traffic import drive
from tests.servers.collector import Collector
from tests.servers.gunicorn import gunicorn
from tests.servers.kafka import Kafka
from tests.waiting import wait_until

pytestmark = pytest.mark.server

REQUESTS = 240


class Row(NamedTuple):
    """The compared fields of a record."""

    id: str
    route: str | None
    status: int | None
    duration_ms: float
    total: float


class SecondStore(Protocol):
    """A store that gets the same records as SQLite."""

    @property
    def url(self) -> str:
        """The entry of ``CHEST_CHESTS``."""

    def stop(self) -> None:
        """Make the store fail."""

    def start(self) -> None:
        """Make the store work again."""

    def rows(self) -> Iterable[Row]:
        """Return the received records, duplicates included."""


class CollectorStore(Collector):
    """An OpenTelemetry collector."""

    @property
    def url(self) -> str:
        return f"otlp+{super().url}"

    def rows(self) -> Iterable[Row]:
        for found in self.records:
            yield Row(
                found["log.record.uid"],
                found.get("http.route"),
                found.get("http.response.status_code"),
                found["chest.duration_ms"],
                found.get("total") or 0,
            )


class KafkaStore(Kafka):
    """A Kafka topic."""

    def rows(self) -> Iterable[Row]:
        for message in self.messages():
            found = json.loads(message.value() or b"")
            yield Row(
                found["id"],
                found["route"],
                found["status"],
                found["duration_ms"],
                found["vars"].get("total") or 0,
            )


SECOND_STORES: dict[str, Callable[[], AbstractContextManager[SecondStore]]] = {
    "kafka": KafkaStore,
    "otlp": CollectorStore,
}


@pytest.mark.parametrize("name", SECOND_STORES)
def test_same_counts_and_sums(name: str, tmp_path: Path) -> None:
    """Both stores have the same ids, counts by route and status, and sums, without duplicates."""
    with SECOND_STORES[name]() as second:
        environment = {
            "FLASK_CHEST_CHESTS": json.dumps(["sqlite:///chest.db", second.url]),
            "FLASK_CHEST_EXPORT_TIMEOUT": "2",
            "FLASK_CHEST_EXPORT_INTERVAL": "0.2",
            "FLASK_CHEST_SHUTDOWN_TIMEOUT": "20",
        }
        shop = f"examples.shop:create_app({str(tmp_path)!r})"
        with gunicorn(shop, tmp_path, workers=2, threads=2, env=environment) as server:
            for number, _ in enumerate(drive(server.url, count=REQUESTS, seed=9)):
                if number == REQUESTS // 3:
                    second.stop()
                if number == REQUESTS * 2 // 3:
                    second.start()
            arrived = wait_until_complete(second, lambda: server.log)
        stored = rows_in_sqlite(tmp_path / "chest.db")
    assert len(stored) == REQUESTS
    assert summarize(arrived) == summarize(stored)


def wait_until_complete(second: SecondStore, log: Callable[[], str]) -> list[Row]:
    """Wait until all records have arrived, and return each of them once."""
    found: dict[str, Row] = {}

    def is_all() -> bool:
        found.update({row.id: row for row in second.rows()})
        return len(found) >= REQUESTS

    wait_until(is_all, lambda: log()[-2000:])
    return list(found.values())


def rows_in_sqlite(database: Path) -> list[Row]:
    query = "SELECT id, route, status, duration_ms, coalesce(json_extract(vars, '$.total'), 0)"
    with closing(sqlite3.connect(database)) as connection:
        return [Row(*found) for found in connection.execute(f"{query} FROM chest_records")]


def summarize(rows: list[Row]) -> Any:
    counts = Counter((row.route, row.status) for row in rows)
    spent = sum(row.duration_ms for row in sorted(rows))
    return sorted(row.id for row in rows), counts, spent, sum(row.total for row in sorted(rows))
