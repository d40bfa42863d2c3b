"""A chest that was used before a fork works in parent and child, with separate connections."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flask_chest.chests.base import AppInfo, Chest
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.testing import make_records
from tests.servers.clickhouse import ClickHouse
from tests.servers.collector import Collector
from tests.servers.http import HTTPRecorder
from tests.servers.kafka import Kafka
from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.servers.victoriametrics import VictoriaMetrics

Make = Callable[[ExitStack], Chest]

CHESTS: dict[str, Make] = {
    "sqlite": lambda stack: FlaskChestSQLite(),
    "postgresql": lambda stack: FlaskChestPostgreSQL(stack.enter_context(PostgreSQL()).url),
    "mysql": lambda stack: FlaskChestMySQL(stack.enter_context(MariaDB()).url),
    "mongodb": lambda stack: FlaskChestMongoDB(stack.enter_context(MongoDB()).url),
    "clickhouse": lambda stack: FlaskChestClickHouse(stack.enter_context(ClickHouse()).url),
    "influxdb": lambda stack: FlaskChestInfluxDB(url=stack.enter_context(VictoriaMetrics()).url),
    "kafka": lambda stack: FlaskChestKafka(stack.enter_context(Kafka()).url),
    "otlp": lambda stack: FlaskChestOTLP(stack.enter_context(Collector()).url),
    "redis": lambda stack: FlaskChestRedis(stack.enter_context(Redis()).url),
    "http": lambda stack: FlaskChestCustomWriter(stack.enter_context(HTTPRecorder()).url),
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.server
@pytest.mark.parametrize("name", CHESTS)
def test_fork(name: str, stack: ExitStack, tmp_path: Path) -> None:
    """The parent, the child and the parent again write with the same chest."""
    chest = CHESTS[name](stack)
    chest.bind(AppInfo(instance_path=tmp_path, timeout=60))
    chest.write(make_records(2))
    assert in_child(lambda: chest.write(make_records(2))) == 0
    chest.write(make_records(2))
    chest.check()
    chest.close()


def in_child(work: Callable[[], None]) -> int:
    """Run a function in a forked process; return its exit status."""
    with warnings.catch_warnings():
        # Python warns of a fork if drivers and test servers have threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            warnings.simplefilter("ignore")
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
