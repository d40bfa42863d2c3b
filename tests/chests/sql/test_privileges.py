"""The least privileges of ``docs/stores.rst`` suffice: real users have only these."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.server_chest import ServerChest
from flask_chest.errors import DeliveryError
from flask_chest.testing import make_records
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

from .helpers import open_reader
from .rollups.suite import days_of_records, maintain, now

pytestmark = pytest.mark.server

TABLES = ("chest_records", "chest_records_rollups", "chest_upkeep", "chest_vars")


class Server:
    """A server with the user ``chest``, who owns the database, and users with fewer rights."""

    def __init__(self, server: PostgreSQL | MariaDB) -> None:
        self._server = server

    def make_user(self, name: str, rights: dict[str, str]) -> None:
        """Create a user with rights on tables, by table."""
        is_mariadb = isinstance(self._server, MariaDB)
        if is_mariadb:
            self._run(f"CREATE USER {name}@'%' IDENTIFIED BY 'secret'")
        else:
            self._run(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        for table, right in rights.items():
            where, who = (f"chest.{table}", f"{name}@'%'") if is_mariadb else (table, name)
            self._run(f"GRANT {right} ON {where} TO {who}")

    def chest(self, user: str) -> ServerChest:
        url = self._server.url.replace("//chest:", f"//{user}:")
        if isinstance(self._server, MariaDB):
            return FlaskChestMySQL(url)
        return FlaskChestPostgreSQL(url)

    def _run(self, statement: str) -> None:
        connection: Any
        if isinstance(self._server, MariaDB):
            connection = pymysql.connect(host="127.0.0.1", port=self._server.port, user="root")
        else:
            connection = psycopg.connect(self._server.url, autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(params=[PostgreSQL, MariaDB], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as running:
        server = Server(running)
        owner = server.chest("chest")
        owner.write(list(days_of_records(now())))
        owner.close()
        yield server


def test_delivery(server: Server) -> None:
    """A user who only delivers needs few rights; late and repeated records included."""
    is_mysql = server.chest("x").scheme == "mysql"
    records = "SELECT, INSERT, UPDATE" if is_mysql else "SELECT, INSERT"
    server.make_user(
        "writer",
        {
            "chest_schema": "SELECT",
            "chest_records": records,
            "chest_records_rollups": "SELECT",
            "chest_upkeep": "SELECT, INSERT, UPDATE",
        },
    )
    chest = server.chest("writer")
    late = list(days_of_records(now() - timedelta(days=9), days=1))
    chest.write(late)
    chest.write(late)
    chest.write(make_records(3))
    reader = open_reader(chest)
    assert len(reader.latest(3)) == 3
    reader.close()
    chest.close()


def test_maintenance(server: Server) -> None:
    """A user who also rolls up, prunes and erases needs no right to create or change tables."""
    server.make_user(
        "keeper",
        {
            "chest_schema": "SELECT",
            "chest_records": "SELECT, INSERT, UPDATE, DELETE",
            "chest_records_rollups": "SELECT, INSERT, DELETE",
            "chest_upkeep": "SELECT, INSERT, UPDATE, DELETE",
        },
    )
    chest = server.chest("keeper")
    maintain(chest, timedelta(days=1))
    reader, eraser = open_reader(chest), chest.eraser()
    assert eraser is not None
    ids = [record.id for record in reader.latest(5)]
    assert eraser.erase(ids) == 5
    reader.close()
    eraser.close()
    chest.close()


def test_reading(server: Server) -> None:
    """A user who only reads needs SELECT."""
    server.make_user("visitor", dict.fromkeys(TABLES, "SELECT"))
    chest = server.chest("visitor")
    reader = open_reader(chest)
    assert reader.latest(5)
    reader.close()
    chest.close()


def test_missing_right(server: Server) -> None:
    """If INSERT lacks, the error advises INSERT on the tables, and not CREATE."""
    server.make_user("looker", dict.fromkeys((*TABLES, "chest_schema"), "SELECT"))
    chest = server.chest("looker")
    with pytest.raises(DeliveryError, match=r"grant this user .*INSERT.* on the tables$"):
        chest.write(make_records(1))
    chest.close()


def test_no_rights(server: Server) -> None:
    """A user without rights is reported with a remedy, and not with advice about other rights."""
    server.make_user("stranger", {})
    chest = server.chest("stranger")
    with pytest.raises(DeliveryError, match="grant this user "):
        chest.write(make_records(1))
    chest.close()
