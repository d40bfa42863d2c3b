"""Records per second to each store, compared with hand-written code for the store's driver.

``python -m benchmarks.stores [sqlite postgresql ...]``. Both sides have the same tables, indexes
and durability; the hand-written code gets records as Python objects.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.chests.sql.table_definitions import records_table
from flask_chest.record.record import Record
from tests.servers.clickhouse import ClickHouse
from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.victoriametrics import VictoriaMetrics

from .brokers import kafka, otlp, redis
from .comparison import BATCH, SIZE, Chest, Rival, compare, document
from .promises import Promise, report_promises

RIVAL = "rival_records"


def sqlite(folder: Path) -> float:
    ours, made = FlaskChestSQLite(), FlaskChestSQLite(table=RIVAL)
    for chest in (ours, made):
        chest.bind(AppInfo(instance_path=folder))
        chest.engine()
    connection = sqlite3.connect(folder / "chest.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    marks = ",".join("?" * len(_columns()))
    statement = f"INSERT OR IGNORE INTO {RIVAL} VALUES ({marks})"

    def store(records: Sequence[Record]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, [_row(record, str) for record in records])
        connection.execute("COMMIT")

    rival = Rival("hand-written executemany", store)
    ratio = compare("SQLite", Chest("FlaskChestSQLite", ours.write), [rival], **SIZE)
    _same_count(connection.execute, ours.records.name)
    connection.close()
    ours.close()
    made.close()
    return ratio


def postgresql(folder: Path) -> float:
    import psycopg

    with PostgreSQL() as server, psycopg.connect(server.url) as connection:
        ours = FlaskChestPostgreSQL(server.url)
        made = [FlaskChestPostgreSQL(server.url, name) for name in (RIVAL, f"{RIVAL}_2")]
        for chest in (ours, *made):
            chest.engine()
        rows, text = (
            f"COPY {each.records.name} ({', '.join(_columns())}) FROM STDIN".encode()
            for each in made
        )

        def store_rows(records: Sequence[Record]) -> None:
            with connection.cursor() as cursor, cursor.copy(rows) as copy:
                for record in records:
                    copy.write_row(_row(record, None))
            connection.commit()

        def store_text(records: Sequence[Record]) -> None:
            lines = ["\t".join(_text(value) for value in _row(record, str)) for record in records]
            with connection.cursor() as cursor, cursor.copy(text) as copy:
                copy.write("\n".join(lines) + "\n")
            connection.commit()

        rivals = [
            Rival("hand-written COPY, psycopg's write_row", store_rows),
            Rival("hand-written COPY, text built by hand", store_text),
        ]
        contender = Chest("FlaskChestPostgreSQL", ours.write)
        ratio = compare("PostgreSQL", contender, rivals, **SIZE)
        for chest in (ours, *made):
            chest.close()
    return ratio


def influxdb(folder: Path) -> float:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.write_api import WriteOptions

    with VictoriaMetrics() as server:
        client = InfluxDBClient(url=server.url, token="", org="my-org")
        options = WriteOptions(batch_size=BATCH, flush_interval=1000)
        api: Any = client.write_api(write_options=options)

        def store(records: Sequence[Record]) -> None:
            api.write("my-bucket", "my-org", [_point(record) for record in records])

        def finish() -> None:
            nonlocal api
            # The only way to wait until all points are sent.
            api.close()
            api = client.write_api(write_options=options)

        rival = Rival("influxdb-client, batching, dict points", store, finish)
        ours = FlaskChestInfluxDB(url=server.url)
        chest = Chest("FlaskChestInfluxDB", ours.write)
        ratio = compare("InfluxDB's write API", chest, [rival], **SIZE)
        api.close()
        client.close()  # type: ignore[no-untyped-call]
        ours.close()
    return ratio


def mariadb(folder: Path) -> float:
    import pymysql

    with MariaDB() as server:
        ours, made = FlaskChestMySQL(server.url), FlaskChestMySQL(server.url, RIVAL)
        ours.engine()
        made.engine()
        connection = pymysql.connect(
            host="127.0.0.1", port=server.port, user="chest", password="secret", database="chest"
        )
        marks = ",".join(["%s"] * len(_columns()))
        statement = f"INSERT IGNORE INTO {RIVAL} ({','.join(_columns())}) VALUES ({marks})"

        def store(records: Sequence[Record]) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(statement, [_row(record, str) for record in records])
            connection.commit()

        rival = Rival("hand-written executemany, INSERT IGNORE", store)
        chest = Chest("FlaskChestMySQL", ours.write)
        ratio = compare("MariaDB", chest, [rival], **SIZE)
        connection.close()
        ours.close()
        made.close()
    return ratio


def mongodb(folder: Path) -> float:
    from pymongo import MongoClient

    with MongoDB() as server, MongoClient[dict[str, Any]](server.url) as client:
        ours = FlaskChestMongoDB(server.url)
        made = FlaskChestMongoDB(server.url, collection=RIVAL)
        ours.write([])
        made._collection()
        collection = client.chest[RIVAL]

        def store(records: Sequence[Record]) -> None:
            collection.insert_many([document(record) for record in records], ordered=False)

        rival = Rival("hand-written insert_many, unordered", store)
        chest = Chest("FlaskChestMongoDB", ours.write)
        # The test server is not MongoDB; it stores some thousand documents per second.
        ratio = compare("MongoDB", chest, [rival], batches=2, rounds=3)
        ours.close()
        made.close()
    return ratio


def clickhouse(folder: Path) -> float:
    import clickhouse_connect

    with ClickHouse() as server:
        ours = FlaskChestClickHouse(server.url)
        # One server for each: a server would recognize records that it already has.
        made = [FlaskChestClickHouse(server.url, name) for name in (RIVAL, f"{RIVAL}_2")]
        for chest in (ours, *made):
            chest._client()
        # Compression over loopback only costs time.
        client = clickhouse_connect.get_client(
            host="127.0.0.1",
            port=server.port,
            username="chest",
            password="secret",
            database="chest",
            compress=False,
        )
        names = _columns()

        def store_rows(records: Sequence[Record]) -> None:
            client.insert(made[0].table, [_row(record, None) for record in records], names)

        def store_columns(records: Sequence[Record]) -> None:
            columns = list(zip(*[_row(record, None) for record in records], strict=True))
            client.insert(made[1].table, columns, names, column_oriented=True)

        rivals = [
            Rival("clickhouse-connect, insert of rows", store_rows),
            Rival("clickhouse-connect, insert of columns", store_columns),
        ]
        contender = Chest("FlaskChestClickHouse", ours.write)
        ratio = compare("ClickHouse", contender, rivals, **SIZE)
        counts = [server.ask(f"SELECT count() FROM {each.table}") for each in (ours, *made)]
        assert counts[0] == counts[1] == counts[2], counts
        client.close()
        for chest in (ours, *made):
            chest.close()
    return ratio


def _columns() -> list[str]:
    from sqlalchemy import MetaData

    return [column.name for column in records_table(RIVAL, MetaData()).columns]


def _row(record: Record, time: Callable[[Any], Any] | None) -> tuple[Any, ...]:
    return (
        record.id,
        record.time if time is None else record.time.isoformat(" ")[:26],
        record.kind,
        record.request_id,
        record.trace_id,
        record.method,
        record.route,
        record.endpoint,
        record.blueprint,
        record.status,
        record.duration_ms,
        record.error,
        record.sample_rate,
        orjson.dumps(record.vars).decode(),
        orjson.dumps(record.tags).decode(),
        record.bytes_sent,
        record.disconnected,
    )


def _text(value: Any) -> str:
    if value is None:
        return "\\N"
    text = str(value)
    if "\\" in text or "\t" in text or "\n" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return text


def _point(record: Record) -> dict[str, Any]:
    return {
        "measurement": "rival",
        "tags": {
            "method": record.method,
            "route": record.route,
            "endpoint": record.endpoint,
            "status": record.status,
            **record.tags,
        },
        "fields": {
            **record.vars,
            "duration_ms": record.duration_ms,
            "request_id": record.request_id,
        },
        "time": record.time,
    }


def _same_count(ask: Callable[[str], Any], table: str) -> None:
    counts = [ask(f"SELECT count(*) FROM {name}").fetchone()[0] for name in (table, RIVAL)]
    assert counts[0] == counts[1], counts


STORES = {
    each.__name__: each
    for each in (sqlite, postgresql, influxdb, mariadb, mongodb, clickhouse, kafka, otlp, redis)
}
PROMISES = {
    "sqlite": 0.7,
    "postgresql": 0.8,
    "influxdb": 6.0,
    **dict.fromkeys(("clickhouse", "kafka", "otlp", "redis"), 0.7),
}


def main() -> None:
    for name in sys.argv[1:] or STORES:
        try:
            with tempfile.TemporaryDirectory(prefix="chest-bench-") as folder:
                ratio = STORES[name](Path(folder))
        # The server or the package of a rival is not installed.
        except (pytest.skip.Exception, ImportError) as reason:
            print(f"\nleft out: {name}: {reason}")
            continue
        if name in PROMISES:
            what = f"records a second to {name}, of the best rival's"
            report_promises([Promise(what, ratio, PROMISES[name], True)])


if __name__ == "__main__":
    main()
