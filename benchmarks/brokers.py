"""The part of :mod:`benchmarks.stores` for Kafka, OpenTelemetry and Redis Streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.record.record import Record
from tests.servers.kafka import Kafka
from tests.servers.redis import DURABLE, Redis

from .comparison import SIZE, Chest, Rival, compare, document
from .kafka_rivals import by_batch, one_by_one
from .otlp_rivals import from_package, from_sdk, silent_collector

_RIVAL = "rival_records"


def kafka(folder: Path) -> float:
    with Kafka() as cluster:
        ours = FlaskChestKafka(cluster.url)
        rivals = [
            Rival("hand-written produce() and flush()", one_by_one(cluster)),
            Rival("hand-written produce_batch() and flush()", by_batch(cluster)),
        ]
        ratio = compare("Kafka", Chest("FlaskChestKafka", ours.write), rivals, **SIZE)
        ours.close()
    return ratio


def otlp(folder: Path) -> float:
    with silent_collector() as url:
        ours = FlaskChestOTLP(url)
        rivals = [
            Rival("OpenTelemetry's SDK and its OTLPLogExporter", from_sdk(url)),
            Rival("hand-written with opentelemetry-proto and requests", from_package(url)),
        ]
        ratio = compare("OTLP", Chest("FlaskChestOTLP", ours.write), rivals, **SIZE)
        ours.close()
    return ratio


def redis(folder: Path) -> float:
    from redis import Redis as Client

    with Redis(*DURABLE) as server:
        ours = FlaskChestRedis(server.url)
        client = Client(port=server.port)

        def store(records: Sequence[Record]) -> None:
            pipeline = client.pipeline(transaction=False)
            for record in records:
                line = orjson.dumps(document(record))
                pipeline.xadd(_RIVAL, {"record": line}, maxlen=ours.maxlen, approximate=True)
            pipeline.execute()

        rival = Rival("redis-py's pipeline of XADD, no guard against a second entry", store)
        chest = Chest("FlaskChestRedis", ours.write)
        ratio = compare("Redis Streams", chest, [rival], **SIZE)
        assert client.xlen(_RIVAL) == client.xlen(ours.stream)
        client.close()
        ours.close()
    return ratio
