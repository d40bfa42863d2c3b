"""The archive of PostgreSQL, MariaDB and MongoDB."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest import FlaskChestMongoDB, FlaskChestMySQL, FlaskChestPostgreSQL

from ..servers.mariadb import MariaDB
from ..servers.mongodb import MongoDB
from ..servers.postgresql import PostgreSQL
from .source_suite import check_archive

pytestmark = pytest.mark.server


def test_postgresql(tmp_path: Path) -> None:
    with PostgreSQL() as server:
        check_archive(FlaskChestPostgreSQL(server.url), tmp_path)


def test_mariadb(tmp_path: Path) -> None:
    with MariaDB() as server:
        check_archive(FlaskChestMySQL(server.url), tmp_path)


def test_mongodb(tmp_path: Path) -> None:
    with MongoDB() as server:
        check_archive(FlaskChestMongoDB(server.url), tmp_path)
