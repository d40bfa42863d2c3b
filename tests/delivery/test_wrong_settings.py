"""A wrong setting or an unsuitable store: records wait until it is corrected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from flask_chest import FlaskChest
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server

REQUESTS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("broken", "old", "new", "remedy", "correction"),
    [
        (
            "SELECT 1",
            "/chest",
            "/later",
            "create this database",
            "CREATE DATABASE later",
        ),
        (
            "CREATE ROLE shop LOGIN PASSWORD 'other'",
            "chest:secret",
            "shop:secret",
            "check user and password",
            "ALTER ROLE shop SUPERUSER PASSWORD 'secret'",
        ),
        (
            "CREATE TABLE chest_records (id int)",
            "chest:",
            "chest:",
            "other columns",
            "DROP TABLE chest_records",
        ),
    ],
)
def test_records_wait(
    server: PostgreSQL,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    old: str,
    new: str,
    remedy: str,
    correction: str,
) -> None:
    """The log has the cause and a remedy; the records are delivered after the correction."""
    run(server.url, "DROP TABLE IF EXISTS chest_schema, chest_records CASCADE", broken)
    before, _, after = server.url.rpartition(old)
    url = before + new + after
    app = Flask("shop", instance_path=str(tmp_path))
    app.add_url_rule("/", "home", lambda: "hello")
    chest = FlaskChest(app, chests=[{"url": url, "name": "orders"}])
    with caplog.at_level(logging.WARNING):
        for _ in range(REQUESTS):
            app.test_client().get("/")
        assert not chest.flush(5)
    assert "'orders' at postgresql://" in caplog.text
    assert remedy in caplog.text
    assert "secret" not in caplog.text
    ledger = chest.stats()["chests"]["orders"]
    assert (ledger["pending"], ledger["delivered"], ledger["rejected"]) == (REQUESTS, 0, 0)
    run(server.url, correction)
    assert chest.flush(30)
    ledger = chest.stats()["chests"]["orders"]
    assert (ledger["delivered"], ledger["pending"], ledger["lost"]) == (REQUESTS, 0, {})
    chest.close()
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM chest_records").fetchall()
    assert count == REQUESTS
