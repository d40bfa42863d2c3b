"""Measures the capacity of stores whose size on disk needs special care, for ``simulate``.

MongoDB's engine, WiredTiger, runs behind a different server. InfluxDB is Debian's 1.6, which has
the engine of version 2. Kafka's mock cluster keeps in memory what a broker would append to its log.
A collector and an HTTP endpoint store nothing, so the bytes that are sent are counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from flask_chest import FlaskChestCustomWriter
from flask_chest.chests.http.client import HTTPClient
from flask_chest.chests.http.response import Response
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.record.batch import Batch
from tests.servers.influxdb import InfluxDB
from tests.servers.kafka import Kafka
from tests.servers.mongodb import MongoDB

from .capacity import RECORDS, make_lines, measure, report
from .comparison import BATCH
from .otlp_rivals import silent_collector

#: Records for a server that is written in Python.
FEW = min(RECORDS, 20_000)
_SENT = "sent"


class Sent:
    """Counts what a client sends."""

    def __init__(self, client: HTTPClient) -> None:
        self._bytes = 0
        self._send = client.send
        client.send = self.send  # type: ignore[method-assign]

    def send(
        self, method: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Response:
        """Send one request."""
        self._bytes += len(body or b"")
        return self._send(method, body, headers, timeout)

    def weigh(self) -> float:
        """Bytes of all bodies so far."""
        return self._bytes


class SettledInfluxDB(InfluxDB):
    """An InfluxDB that writes its memory and its log to its data files at once."""

    def prepare(self) -> None:
        super().prepare()
        file = self.folder / "influxdb.conf"
        at_once = '[data]\ncache-snapshot-write-cold-duration = "1s"\n'
        file.write_text(file.read_text().replace("[data]\n", at_once))

    def weigh(self) -> float:
        """Bytes of the data files, after the log was written to them."""
        deadline = time.monotonic() + 60
        while _size(self.folder / "wal") > 0 and time.monotonic() < deadline:
            time.sleep(0.2)
        return _size(self.folder / "data")


def mongodb(folder: Path) -> None:
    from pymongo import MongoClient

    with MongoDB() as server, MongoClient[dict[str, Any]](server.url) as client:

        def weigh() -> float:
            client.admin.command("fsync")
            return _size(server.folder / "data")

        report("MongoDB", measure(FlaskChestMongoDB(server.url), folder, weigh, FEW))


def influxdb(folder: Path) -> None:
    with SettledInfluxDB() as server:
        chest = FlaskChestInfluxDB.from_url(server.url)
        report("InfluxDB", measure(chest, folder, server.weigh))


def kafka(folder: Path) -> None:
    for compression in ("none", "zstd"):
        (folder / compression).mkdir()
        options = {"compression.type": compression}
        with Kafka(partitions=16) as cluster:
            chest = FlaskChestKafka(cluster.url, options)
            figures = measure(chest, folder / compression, lambda: 0)
        with Kafka() as cluster:
            chest = FlaskChestKafka(cluster.url, options)
            for batch in make_batches(5):
                chest.write(batch)
            chest.close()
            stored = weigh_log(cluster)
        report(f"Kafka, {compression}", replace(figures, stored=stored), "in a broker's log")


def otlp(folder: Path) -> None:
    for compression in ("none", "gzip"):
        (folder / compression).mkdir()
        with silent_collector() as url:
            chest = FlaskChestOTLP(url, compression=compression)
            figures = measure(chest, folder / compression, Sent(chest._client).weigh)
            report(f"OTLP, {compression}", figures, _SENT)


def http(folder: Path) -> None:
    with silent_collector() as url:
        chest = FlaskChestCustomWriter(url=url, verify=True)
        report("HTTP", measure(chest, folder, Sent(chest._client).weigh), _SENT)


def make_batches(count: int) -> Iterator[Batch]:
    lines = list(make_lines(count))
    for first in range(0, len(lines), BATCH):
        yield Batch(lines[first : first + BATCH])


def weigh_log(cluster: Kafka) -> float:
    """Bytes of a message in a broker's log, which consumers get unchanged."""
    count = len(cluster.messages())
    told: list[int] = []
    settings: dict[str, Any] = {
        "bootstrap.servers": cluster.servers,
        "group.id": "weigh",
        "statistics.interval.ms": 100,
        "stats_cb": lambda text: told.append(json.loads(text)["rx_bytes"]),
    }
    consumer = Consumer(settings)
    consumer.assign(
        [TopicPartition(cluster.topic, number, 0) for number in range(cluster.partitions)]
    )
    found = 0
    while found < count:
        found += len(consumer.consume(count - found, 1))
    # The next statistics include all messages.
    told.clear()
    while not told:
        consumer.poll(0.2)
    consumer.close()
    return told[-1] / count


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
