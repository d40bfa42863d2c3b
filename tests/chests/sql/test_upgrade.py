"""Databases on servers that the first version made, brought up to date by many workers at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pymysql
import pytest

from flask_chest.chests.sql.schema import SCHEMA_VERSION
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from ..first_use import ROUNDS, write_at_once

pytestmark = pytest.mark.server

# What version 1 made; never to be changed.
POSTGRESQL_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name));
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time TIMESTAMP WITH TIME ZONE NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route TEXT, endpoint TEXT, blueprint TEXT, status INTEGER,
    duration_ms DOUBLE PRECISION, error TEXT, sample_rate DOUBLE PRECISION NOT NULL,
    vars JSONB NOT NULL, tags JSONB NOT NULL, bytes_sent BIGINT, disconnected BOOLEAN,
    PRIMARY KEY (id));
CREATE INDEX ix_chest_records_request_id ON chest_records (request_id);
CREATE INDEX ix_chest_records_route ON chest_records (route, time);
CREATE INDEX ix_chest_records_time ON chest_records (time);
CREATE VIEW chest_vars AS SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id,
    v.key AS name, v.value AS value FROM chest_records AS r, jsonb_each_text(r.vars) AS v
"""
MARIADB_1 = """
CREATE TABLE chest_schema (table_name VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (table_name)) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE chest_records (id VARCHAR(32) NOT NULL, time DATETIME(6) NOT NULL,
    kind VARCHAR(16) NOT NULL, request_id VARCHAR(255) NOT NULL, trace_id VARCHAR(32),
    method VARCHAR(16), route MEDIUMTEXT, endpoint MEDIUMTEXT, blueprint MEDIUMTEXT,
    status INTEGER, duration_ms DOUBLE, error MEDIUMTEXT, sample_rate DOUBLE NOT NULL,
    vars JSON NOT NULL, tags JSON NOT NULL, bytes_sent BIGINT, disconnected BOOL,
    PRIMARY KEY (id)) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX ix_chest_records_request_id ON chest_records (request_id);
CREATE INDEX ix_chest_records_route ON chest_records (route(191), time);
CREATE INDEX ix_chest_records_time ON chest_records (time);
CREATE VIEW chest_vars AS SELECT r.id AS record_id, r.time AS time, r.request_id AS request_id,
    k.name AS name, JSON_UNQUOTE(JSON_EXTRACT(r.vars, CONCAT('$.', JSON_QUOTE(k.name)))) AS value
    FROM chest_records AS r
    JOIN JSON_TABLE(JSON_KEYS(r.vars), '$[*]' COLUMNS (name TEXT PATH '$')) AS k
"""
FILLED = """;
INSERT INTO chest_schema VALUES ('chest_records', 1);
INSERT INTO chest_records VALUES ('0', '2026-11-21 00:00:00.000000', 'request', 'r', NULL, 'GET',
    '/', 'index', NULL, 200, 1.5, NULL, 1.0, '{"a": 1}', '{}', NULL, NULL)
"""


class Server:
    """A server with a database of version 1."""

    def __init__(self, class_name: str, url: str, connection: Any, made: str) -> None:
        self.class_name, self.url, self._connection = class_name, url, connection
        for statement in (made + FILLED).split(";\n"):
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


def test_database_of_the_first_version(server: Server) -> None:
    """Workers that find it bring it up to date once, lose nothing of it, and write to it."""
    workers = 4
    write_at_once(server.class_name, {"url": server.url}, workers=workers)
    assert server.ask("SELECT version FROM chest_schema") == [(SCHEMA_VERSION,)]
    assert server.ask("SELECT count(*) FROM chest_records") == [(workers * ROUNDS + 1,)]
    assert server.ask("SELECT name, value FROM chest_vars WHERE record_id = '0'") == [("a", "1")]
    assert server.ask("SELECT count(*) FROM chest_records_rollups") == [(0,)]
    assert server.ask("SELECT count(*) FROM chest_upkeep") == [(0,)]
