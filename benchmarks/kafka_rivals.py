"""Hand-written code that sends records to Kafka, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_chest.record.json_line import encode
from flask_chest.record.record import Record
from tests.servers.kafka import Kafka

Store = Callable[[Sequence[Record]], None]


def one_by_one(cluster: Kafka) -> Store:
    """Send one message at a time; the client bundles them."""
    producer, failures = _producer(cluster), list[Any]()
    report = _keep(failures)

    def store(records: Sequence[Record]) -> None:
        for record in records:
            producer.produce(cluster.topic, encode(record), record.request_id, on_delivery=report)
        producer.flush()
        assert not failures

    return store


def by_batch(cluster: Kafka) -> Store:
    """Send one batch at a time."""
    producer, failures = _producer(cluster), list[Any]()

    def store(records: Sequence[Record]) -> None:
        producer.produce_batch(
            cluster.topic,
            [{"value": encode(record), "key": record.request_id} for record in records],
            on_delivery=_keep(failures),
        )
        producer.flush()
        assert not failures

    return store


def _producer(cluster: Kafka) -> Any:
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": cluster.servers, "enable.idempotence": True, "log_level": 0}
    return Producer(settings)


def _keep(failures: list[Any]) -> Callable[[Any, Any], None]:
    def report(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(error)

    return report
