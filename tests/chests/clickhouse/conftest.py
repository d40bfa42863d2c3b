"""Addresses of ClickHouse: the engine in this process (chDB), an HTTP server, and a real server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from tests.servers.clickhouse import ClickHouse, ask, in_process


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouse]:
    with ClickHouse() as server:
        yield server


@pytest.fixture(scope="module", params=["chdb", "http", "server"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address of each kind. No package installs a real server, so the user may name one."""
    given = os.environ.get("CHEST_TEST_CLICKHOUSE_URL")
    if request.param == "chdb":
        with in_process() as address:
            yield address
    elif request.param == "http":
        server: ClickHouse = request.getfixturevalue("server")
        yield server.url
    elif given:
        yield given
    else:
        pytest.skip("CHEST_TEST_CLICKHOUSE_URL names no server")


@pytest.fixture
def table(url: str) -> Iterator[str]:
    """The name of a table that is dropped after the test."""
    name = f"chest_{uuid4().hex[:12]}"
    yield name
    ask(url, f"DROP VIEW IF EXISTS {name}_vars")
    ask(url, f"DROP TABLE IF EXISTS {name}")


@pytest.fixture(scope="module", params=["chdb", "server"])
def reading_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address of each engine; the HTTP server of the tests has chDB's engine as well."""
    given = os.environ.get("CHEST_TEST_CLICKHOUSE_URL")
    if request.param == "chdb":
        with in_process() as address:
            yield address
    elif given:
        yield given
    else:
        pytest.skip("CHEST_TEST_CLICKHOUSE_URL names no server")


@pytest.fixture
def chest(reading_url: str) -> Iterator[FlaskChestClickHouse]:
    """A chest with a table of its own."""
    table = f"chest_{uuid4().hex[:12]}"
    chest = FlaskChestClickHouse(reading_url, table=table)
    yield chest
    chest.close()
    ask(reading_url, f"DROP VIEW IF EXISTS {table}_vars")
    ask(reading_url, f"DROP TABLE IF EXISTS {table}")


def rows_of(chest: FlaskChestClickHouse, query: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a query, over another connection."""
    connection = chest.connect({})
    try:
        rows: Sequence[Sequence[Any]] = connection.client.query(query).result_rows
        return rows
    finally:
        connection.close()
