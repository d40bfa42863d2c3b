"""The PostgreSQL chest behind PgBouncer in transaction mode, next to another application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.testing import check_chest, make_records
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import PostgreSQL

from .helpers import open_reader
from .rollups.suite import check_rollups

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def pool() -> Iterator[PgBouncer]:
    with PostgreSQL() as server, PgBouncer(server) as pool:
        yield pool


@contextmanager
def chest_of(pool: PgBouncer) -> Iterator[FlaskChestPostgreSQL]:
    chest = FlaskChestPostgreSQL(pool.url, table=f"chest_{uuid4().hex[:12]}")
    yield chest
    chest.close()


def ask(pool: PgBouncer, query: str) -> list[tuple[Any, ...]]:
    """Ask as another application would, whose transactions share the server's connection."""
    with psycopg.connect(pool.url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_conforms(pool: PgBouncer) -> None:
    """The chest passes the checks that all chests pass, also if the pool is down or hangs."""
    table = f"chest_{uuid4().hex[:12]}"
    done = check_chest(
        lambda: FlaskChestPostgreSQL(pool.url, table=table),
        read=lambda: [found for (found,) in ask(pool, f'SELECT id FROM "{table}"')],
        poison=replace(make_records(1)[0], request_id="x" * 300),
        server=pool,
        timeout=5,
    )
    assert len(done) == 6


def test_other_applications(pool: PgBouncer) -> None:
    """Writing, reading, rollups and pruning leave nothing in the session that others share."""
    session = "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name"
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    statements = "SELECT count(*) FROM pg_prepared_statements"
    before = ask(pool, session)
    with chest_of(pool) as chest:
        check_rollups(chest)
    assert ask(pool, session) == before
    assert ask(pool, "SHOW statement_timeout") == [("0",)]
    assert ask(pool, locks) == [(0,)]
    assert ask(pool, statements) == [(0,)]


def test_repeated_queries(pool: PgBouncer) -> None:
    """Two readers and two writers repeat the same statements, and none is in another's way."""
    with chest_of(pool) as first:
        first.write(make_records(3))
        second = FlaskChestPostgreSQL(pool.url, table=first.records.name)
        readers = open_reader(first), open_reader(second)
        for _ in range(8):
            for chest, reader in zip((first, second), readers, strict=True):
                assert len(reader.latest(2)) == 2
                chest.write(reader.latest(2))  # duplicates, so that they are sent with INSERT
        for reader in readers:
            reader.close()
        second.close()
        assert ask(pool, f'SELECT count(*) FROM "{first.records.name}"') == [(3,)]
