"""The shop, its records going to SQLite and to an outlet that fails meanwhile: both have all."""

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
    """What is compared of a record."""

    id: str
    route: str | None
    status: int | None
    duration_ms: float
    total: float


class Outlet(Protocol):
    """Something that records go to beside SQLite."""

    @property
    def url(self) -> str:
        """For ``CHEST_CHESTS``."""

    def stop(self) -> None:
        """Fail."""

    def start(self) -> None:
        """Be there again."""

    def rows(self) -> Iterable[Row]:
        """What arrived, each record as often as it did."""


class ToCollector(Collector):
    """A collector of OpenTelemetry."""

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


class ToKafka(Kafka):
    """A topic of Kafka."""

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


OUTLETS: dict[str, Callable[[], AbstractContextManager[Outlet]]] = {
    "kafka": ToKafka,
    "otlp": ToCollector,
}


@pytest.mark.parametrize("name", OUTLETS)
def test_same_counts_and_sums(name: str, tmp_path: Path) -> None:
    """Each record is there, by its id once; so are counts by route and status, and sums."""
    with OUTLETS[name]() as outlet:
        environment = {
            "FLASK_CHEST_CHESTS": json.dumps(["sqlite:///chest.db", outlet.url]),
            "FLASK_CHEST_EXPORT_TIMEOUT": "2",
            "FLASK_CHEST_EXPORT_INTERVAL": "0.2",
            "FLASK_CHEST_SHUTDOWN_TIMEOUT": "20",
        }
        shop = f"examples.shop:create_app({str(tmp_path)!r})"
        with gunicorn(shop, tmp_path, workers=2, threads=2, env=environment) as server:
            for number, _ in enumerate(drive(server.url, count=REQUESTS, seed=9)):
                if number == REQUESTS // 3:
                    outlet.stop()
                if number == REQUESTS * 2 // 3:
                    outlet.start()
            arrived = wait_for(outlet, lambda: server.log)
        kept = in_sqlite(tmp_path / "chest.db")
    assert len(kept) == REQUESTS
    assert summed_up(arrived) == summed_up(kept)


def wait_for(outlet: Outlet, log: Callable[[], str]) -> list[Row]:
    """What has arrived, each record once, when it is all."""
    found: dict[str, Row] = {}

    def is_all() -> bool:
        found.update({row.id: row for row in outlet.rows()})
        return len(found) >= REQUESTS

    wait_until(is_all, lambda: log()[-2000:])
    return list(found.values())


def in_sqlite(database: Path) -> list[Row]:
    query = "SELECT id, route, status, duration_ms, coalesce(json_extract(vars, '$.total'), 0)"
    with closing(sqlite3.connect(database)) as connection:
        return [Row(*found) for found in connection.execute(f"{query} FROM chest_records")]


def summed_up(rows: list[Row]) -> Any:
    counts = Counter((row.route, row.status) for row in rows)
    spent = sum(row.duration_ms for row in sorted(rows))
    return sorted(row.id for row in rows), counts, spent, sum(row.total for row in sorted(rows))
