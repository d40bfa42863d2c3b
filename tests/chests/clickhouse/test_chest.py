"""Tests what the ClickHouse chest stores."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.factory import make_chest
from flask_chest.errors import ConfigError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record
from flask_chest.testing import check_chest, make_records
from tests.servers.clickhouse import ClickHouse, ask

from ..first_use import ROUNDS, write_at_once


def poison() -> Record:
    status: Any = "none"
    return replace(make_records(1)[0], status=status)


@pytest.mark.server
def test_conforms(url: str, table: str) -> None:
    """The chest passes the common suite."""
    done = check_chest(
        lambda: FlaskChestClickHouse(url, table),
        read=lambda: [found for (found,) in ask(url, f"SELECT id FROM {table} FINAL")],
        poison=poison(),
    )
    assert len(done) == 4


@pytest.mark.server
def test_conforms_when_the_server_fails(server: ClickHouse) -> None:
    """The chest passes the suite with a server that is killed or does not respond."""
    done = check_chest(
        lambda: FlaskChestClickHouse(server.url, "failing"),
        read=lambda: [found for (found,) in server.ask("SELECT id FROM failing FINAL")],
        server=server,
        timeout=5,
    )
    assert {"survives_restart", "honours_timeout"} <= set(done)


@pytest.mark.server
def test_batches_that_overlap(url: str, table: str) -> None:
    """Each record is stored once, however retries are batched; a repeated batch adds no rows."""
    chance, records = random.Random(7), make_records(60)
    chest = FlaskChestClickHouse(url, table)
    chest.write(records)
    chest.write(records)
    chest.write(Batch([encode(record) for record in records]))
    assert ask(url, f"SELECT count() FROM {table}") == [(60,)]
    for _ in range(10):
        begin = chance.randrange(50)
        chest.write(records[begin : begin + chance.randint(1, 20)])
    chest.close()
    assert ask(url, f"SELECT count(), uniqExact(id) FROM {table} FINAL") == [(60, 60)]
    ask(url, f"OPTIMIZE TABLE {table} FINAL")
    assert ask(url, f"SELECT count() FROM {table}") == [(60,)]


@pytest.mark.server
def test_records_of_many_years(url: str, table: str) -> None:
    """A batch may have records of more weeks than a server accepts by default."""
    start = datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=timezone.utc)
    records = [
        replace(record, time=start + timedelta(weeks=20 * number))
        for number, record in enumerate(make_records(150))
    ]
    chest = FlaskChestClickHouse(url, table)
    chest.write(records)
    chest.close()
    found = [time for (time,) in ask(url, f"SELECT time FROM {table} FINAL ORDER BY time")]
    assert found == [record.time.replace(tzinfo=None) for record in records]


@pytest.mark.server
def test_first_use_by_many_workers(server: ClickHouse) -> None:
    """Three processes that find no table make one, and none of them fails."""
    arguments = {"url": server.url, "table": "at_once"}
    write_at_once("FlaskChestClickHouse", arguments, workers=3)
    assert server.ask("SELECT count() FROM at_once FINAL") == [(3 * ROUNDS,)]


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("mysql://h", {}),
        ("clickhouse://h:port", {}),
        ("clickhouse://h?verify=/ca.pem", {}),
        ("clickhouse+https://h?async=1", {}),
        ("clickhouse://h", {"table": "a-b"}),
        ("chdb://data", {}),
    ],
)
def test_wrong_arguments(url: str, arguments: dict[str, Any]) -> None:
    """Wrong arguments raise ConfigError in the constructor."""
    with pytest.raises(ConfigError):
        FlaskChestClickHouse(url, **arguments)


def test_from_config() -> None:
    """A dict in CHEST_CHESTS takes ClickHouse's settings."""
    url = "clickhouse+https://me:hunter22@h/db?verify=/ca.pem"
    chest = make_chest({"url": url, "settings": {"async_insert": 1}, "name": "fleet"})
    assert repr(chest) == "<FlaskChestClickHouse 'fleet' clickhouse+https://me@h/db>"


@pytest.mark.parametrize(
    ("missing", "message"),
    [("clickhouse_connect", r'pip install "flask-chest\[clickhouse\]"'), ("chdb", "chdb")],
)
def test_missing_driver(missing: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver, the constructor says what to install."""
    monkeypatch.setattr(
        "flask_chest.chests.drivers.find_spec",
        lambda name: None if name == missing else name,
    )
    with pytest.raises(ConfigError, match=message):
        FlaskChestClickHouse("chdb:///data")
