"""Errors about damaged tables say what to do; the servers' files are really damaged."""

from __future__ import annotations

from typing import Any

import psycopg
import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.errors import DeliveryError, ReadError
from flask_chest.testing import make_records
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server


def test_postgresql() -> None:
    """A page of the table that holds garbage."""
    with PostgreSQL() as server:
        chest = FlaskChestPostgreSQL(server.url)
        chest.write(make_records(100))
        chest.close()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")  # else the server restores the page from its log
            row: Any = connection.execute("SELECT pg_relation_filepath('chest_records')").fetchone()
        server.stop()
        with (server.folder / "data" / row[0]).open("r+b") as table:
            table.write(b"\xff" * 8192)
        server.start()
        reader = chest.reader()
        with pytest.raises(ReadError, match="the table is damaged: see the server's log"):
            reader.latest(9)
        reader.close()


def test_mariadb() -> None:
    """An index of a table that someone has moved to MyISAM, cut off."""
    with MariaDB() as server:
        chest = FlaskChestMySQL(server.url)
        chest.write(make_records(100))
        with pymysql.connect(host="127.0.0.1", port=server.port, user="root") as connection:
            connection.cursor().execute("ALTER TABLE chest.chest_records ENGINE = MyISAM")
            connection.cursor().execute("FLUSH TABLES")
        [index] = server.folder.rglob("chest_records.MYI")
        index.write_bytes(index.read_bytes()[:3000])
        with pytest.raises(DeliveryError, match="damaged: see the server's log, then use CHECK"):
            chest.write(make_records(1))
        chest.close()
