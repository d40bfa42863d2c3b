"""Upgrades of databases on servers by many processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pymysql
import pytest

from flask_chest.chests.sql.table_names import SCHEMA_VERSION
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from ..first_use import ROUNDS, write_at_once
from .schema_versions import MARIADB_1, POSTGRESQL_1, ROWS_1

pytestmark = pytest.mark.server


class Server:
    """A server with a database of version 1.

    :param created: the SQL that created the database.
    """

    def __init__(self, class_name: str, url: str, connection: Any, created: str) -> None:
        self.class_name, self.url, self._connection = class_name, url, connection
        for statement in (created + ROWS_1).split(";\n"):
            self.ask(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "postgresql":
        with PostgreSQL() as pg, psycopg.connect(pg.url, autocommit=True) as connection:
            yield Server("FlaskChestPostgreSQL", pg.url, connection, POSTGRESQL_1)
        return
    with MariaDB() as maria:
        made = pymysql.connect(
            host="127.0.0.1",
            port=maria.port,
            user="chest",
            password="secret",
            database="chest",
            autocommit=True,
        )
        with closing(made):
            yield Server("FlaskChestMySQL", maria.url, made, MARIADB_1)


def test_upgrade_by_many_processes(server: Server) -> None:
    """The database is upgraded once, keeps its records and accepts new ones."""
    workers = 4
    write_at_once(server.class_name, {"url": server.url}, workers=workers)
    assert server.ask("SELECT version FROM chest_schema") == [(SCHEMA_VERSION,)]
    assert server.ask("SELECT count(*) FROM chest_records") == [(workers * ROUNDS + 1,)]
    assert server.ask("SELECT name, value FROM chest_vars WHERE record_id = '0'") == [("a", "1")]
    assert server.ask("SELECT count(*) FROM chest_records_rollups") == [(0,)]
    assert server.ask("SELECT count(*) FROM chest_upkeep") == [(0,)]
