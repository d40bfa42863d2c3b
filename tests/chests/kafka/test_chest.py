"""The Kafka chest, against the mock cluster of librdkafka and its injected errors."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from flask_chest.chests.base import AppInfo
from flask_chest.chests.factory import make_chest
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import decode, encode
from flask_chest.record.record import Record
from flask_chest.testing import check_chest, make_records
from tests.servers.daemon import free_port
from tests.servers.kafka import Kafka

# The number of this request in Kafka's protocol; it is the first request of an idempotent producer.
INIT_PRODUCER_ID = 22
_SLOW = r"not acknowledged the records within 0\.2 s; check that they keep up.*CHEST_EXPORT_TIMEOUT"


@pytest.fixture
def fresh() -> Iterator[Kafka]:
    """A new cluster."""
    with Kafka() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def connected(request: pytest.FixtureRequest) -> Iterator[list[tuple[Kafka, FlaskChestKafka]]]:
    """A cluster and a connected chest for each test that needs one.

    A client that finds no broker at first waits half a second before it asks for a producer id:
    https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_idempotence.c. So all clients
    connect here at the same time.
    """
    wanted = sum("pair" in getattr(item, "fixturenames", ()) for item in request.session.items)
    with ExitStack() as stack:
        clusters = [stack.enter_context(Kafka()) for _ in range(wanted)]
        chests = [FlaskChestKafka(cluster.url) for cluster in clusters]
        for chest in chests:
            stack.callback(chest.close)
            set_timeout(chest, 60)
            chest._producer.get()
        yield list(zip(clusters, chests, strict=True))


@pytest.fixture
def pair(connected: list[tuple[Kafka, FlaskChestKafka]]) -> tuple[Kafka, FlaskChestKafka]:
    return connected.pop()


@pytest.fixture
def cluster(pair: tuple[Kafka, FlaskChestKafka]) -> Kafka:
    return pair[0]


@pytest.fixture
def chest(pair: tuple[Kafka, FlaskChestKafka]) -> FlaskChestKafka:
    return pair[1]


def set_timeout(chest: FlaskChestKafka, seconds: float) -> None:
    """Set the timeout of a chest."""
    chest.bind(AppInfo(instance_path=Path(), timeout=seconds))


def write_until_error(chest: FlaskChestKafka, records: Sequence[Record], words: str) -> str:
    """Write until an error contains some words: the client may report the cause in a later call."""
    deadline = time.monotonic() + 120
    while True:
        with pytest.raises(DeliveryError) as caught:
            chest.write(records)
        if re.search(words, str(caught.value)):
            return str(caught.value)
        assert time.monotonic() < deadline, caught.value


def record_id(message: Message) -> str:
    headers: Any = message.headers()
    identity: bytes = dict(headers)["chest-record-id"]
    return identity.decode()


def stored_ids(cluster: Kafka) -> list[str]:
    """The ids of all messages, with duplicates."""
    return [record_id(message) for message in cluster.messages()]


@pytest.mark.server
def test_conforms(fresh: Kafka) -> None:
    """The chest passes the suite; duplicates in the log are recognized by the header."""
    poison = make_records(1)[0]
    poison = replace(poison, vars={"text": "x" * 2_000_000})
    done = check_chest(
        lambda: FlaskChestKafka(fresh.url),
        read=lambda: set(stored_ids(fresh)),
        poison=poison,
        server=fresh,
    )
    assert len(done) == 6


@pytest.mark.parametrize("request_id", ["check-0", "ä\0 \n😀"])
def test_message(cluster: Kafka, chest: FlaskChestKafka, request_id: str) -> None:
    """A message has the record's line as value, the request id as key and the record's time."""
    [record] = make_records(1)
    record = replace(
        record, request_id=request_id, vars={**record.vars, "": {"nul\0": [2**64 - 1]}}
    )
    chest.write([record])
    [message] = cluster.messages()
    value = message.value()
    assert isinstance(value, bytes)
    assert decode(value) == record
    assert message.key() == request_id.encode()
    assert record_id(message) == record.id
    assert message.timestamp()[1] == int(record.time.timestamp() * 1000)


def test_no_key(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """A record without a request id has no key, so such records go to all partitions."""
    [record] = make_records(1)
    chest.write([replace(record, request_id="")])
    [message] = cluster.messages()
    assert message.key() is None


def test_one_key_one_partition(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """Records of one request id go to one partition, in order; others are distributed."""
    records = [replace(record, request_id="same") for record in make_records(20)]
    chest.write(records + make_records(20))
    messages = cluster.messages()
    same = [message for message in messages if message.key() == b"same"]
    assert len({message.partition() for message in same}) == 1
    assert [record_id(message) for message in same] == [record.id for record in records]
    assert len({message.partition() for message in messages}) == 2


def test_down_and_up_again(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """After an outage each record is stored once: the producer kept the messages and sent them."""
    records = make_records(8)
    chest.write(records[:4])
    cluster.stop()
    set_timeout(chest, 0.3)
    write_until_error(chest, records[4:], "check hosts and ports")
    set_timeout(chest, 0.01)  # too short to be told again
    for _ in range(2):
        with pytest.raises(DeliveryError, match="check hosts and ports"):
            chest.write(records[4:])
    cluster.start()
    set_timeout(chest, 60)
    chest.write(records[4:])
    assert sorted(stored_ids(cluster)) == sorted(record.id for record in records)


def test_broker_without_acknowledgement(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """If a broker does not acknowledge, the records wait; they are stored once when it does."""
    records = make_records(4)
    chest.write(records[:1])
    set_timeout(chest, 0.2)
    cluster.pause()
    with pytest.raises(DeliveryError, match=_SLOW) as caught:
        chest.write(records[1:])
    assert f"chest 'kafka' at {cluster.url}: " in str(caught.value)
    cluster.resume()
    set_timeout(chest, 60)
    chest.write(records[1:])
    assert sorted(stored_ids(cluster)) == sorted(record.id for record in records)


def test_acknowledged_messages_are_not_sent_again(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """If a part of a batch failed, the next write sends only this part, however it is split."""
    records = make_records(6)
    too_long = replace(records[2], vars={"text": "x" * 2_000_000})
    another = replace(records[4], vars={"text": "x" * 2_000_000})
    chest.write(records[:1])
    batch = [records[1], too_long, records[3], another, records[5]]
    for part in (batch, batch[:2], batch[2:]):
        with pytest.raises(RejectedError):
            chest.write(part)
    assert sorted(stored_ids(cluster)) == sorted(records[index].id for index in (0, 1, 3, 5))


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD])
def test_rejected_by_a_broker(cluster: Kafka, chest: FlaskChestKafka, code: int) -> None:
    """A broker rejects a bundle for one message: halving finds it, and all others are stored."""
    records = make_records(8)
    cluster.fail([code] * 20)  # in how many bundles they go is the client's choice
    with pytest.raises(RejectedError, match=r"see 'max\.message\.bytes'") as caught:
        chest.write(Batch([encode(replace(each, request_id="same")) for each in records]))
    assert caught.value.record_ids is None
    with pytest.raises(RejectedError) as caught:
        chest.write(records[:1])
    assert list(caught.value.record_ids or ()) == [records[0].id]
    cluster.fail([])
    chest.write(records[1:])
    assert sorted(stored_ids(cluster)) == sorted(record.id for record in records[1:])


def test_too_large_is_rejected_alone(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """A message that the client rejects is named; all others are stored."""
    records = make_records(5)
    records[3] = replace(records[3], vars={"text": "x" * 2_000_000})
    with pytest.raises(RejectedError, match="MSG_SIZE_TOO_LARGE") as caught:
        chest.write(records)
    assert list(caught.value.record_ids or ()) == [records[3].id]
    good = [record.id for record in records if record is not records[3]]
    assert sorted(stored_ids(cluster)) == sorted(good)


def test_missing_topic(fresh: Kafka) -> None:
    """The error names the topic; the records wait and are stored once the topic exists."""
    chest = FlaskChestKafka(fresh.url)
    set_timeout(chest, 60)
    records = make_records(2)
    fresh.deny_topic(fresh.topic, KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(DeliveryError, match=r"/records: UNKNOWN_TOPIC.*; create the topic"):
        chest.write(records)
    with pytest.raises(DeliveryError, match="create the topic"):
        chest.check()
    fresh.deny_topic(fresh.topic, 0)
    chest.check()
    chest.write(records)
    assert len(stored_ids(fresh)) == 2
    chest.close()


def test_not_allowed_to_write(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """The error names the missing permission, and the records wait."""
    chest.write(make_records(1))
    cluster.fail([KafkaError.TOPIC_AUTHORIZATION_FAILED])
    records = make_records(1)
    with pytest.raises(DeliveryError, match="give this user the right to write"):
        chest.write(records)
    chest.write(records)
    assert len(stored_ids(cluster)) == 2


def test_producer_that_gave_up_is_replaced(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """After a fatal error of the client the next batch gets a new producer."""
    chest.write(make_records(1))
    cluster.fail([KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER])
    records = make_records(2)
    with pytest.raises(DeliveryError, match="OUT_OF_ORDER_SEQUENCE_NUMBER"):
        chest.write(records)
    chest.write(records)
    assert {record.id for record in records} < set(stored_ids(cluster))


def test_old_brokers(fresh: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    """The error has a remedy, the records wait, and the client itself logs nothing."""
    chest = FlaskChestKafka(fresh.url)
    set_timeout(chest, 60)
    fresh.limit_version(INIT_PRODUCER_ID, -1)
    for _ in range(2):
        write_until_error(chest, make_records(1), r"/records: .*upgrade the brokers to Kafka 0\.11")
    assert caplog.records == []
    chest.close()


def test_client_log(fresh: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    """Settings of librdkafka enable its log messages, which go to the chest's logger."""
    options = {"debug": "topic", "log_level": 7}
    chest = make_chest({"url": fresh.url, "options": options})
    with caplog.at_level(logging.DEBUG, "flask_chest.chests"):
        chest.write(make_records(1))
    chest.close()
    assert any(record.name == "flask_chest.chests" for record in caplog.records)


def test_check(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """The check asks for the topic and sends no message."""
    chest.check()
    assert stored_ids(cluster) == []
    cluster.stop()
    set_timeout(chest, 0.2)
    with pytest.raises(DeliveryError, match="check hosts and ports"):
        chest.check()


def test_unknown_setting(fresh: Kafka) -> None:
    """A setting that librdkafka does not know is reported by the first write; the records wait."""
    chest = make_chest(f"{fresh.url}?compresion.type=zstd")
    with pytest.raises(DeliveryError, match=r"compresion\.type.*see the URL's parameters"):
        chest.write(make_records(1))


def test_settings(fresh: Kafka) -> None:
    """Settings of librdkafka come from the URL and from ``options``."""
    options = {"linger.ms": 1, "batch.num.messages": 10}
    chest = make_chest({"url": f"{fresh.url}?compression.type=gzip", "options": options})
    chest.write(make_records(30))
    assert len(stored_ids(fresh)) == 30
    chest.close()


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"security.protocol": "SASL_PLAINTEXT"}, "check hosts and ports"),
        ({"sasl.mechanism": "SCRAM-SHA-512", "ssl.key.pem": ""}, "check hosts and ports"),
        ({}, "'options'"),  # that is no key
    ],
)
def test_credentials_stay_out_of_errors(options: dict[str, Any], remedy: str) -> None:
    """An error shows address and remedy, but neither the password nor a secret setting."""
    url = f"kafka://me:pass-word@127.0.0.1:{free_port()}/records?ssl.key.password=key-secret"
    chest = FlaskChestKafka(url, {"ssl.key.pem": "pem-secret", **options})
    set_timeout(chest, 0.1)
    words = rf"kafka://me@127\.0\.0\.1:\d+/records: .*{remedy}"
    told = write_until_error(chest, make_records(1), words)
    for text in (told, repr(chest)):
        assert "secret" not in text
        assert "pass-word" not in text
    assert {"pass-word", "key-secret"} <= set(chest.secrets())


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("kafka://", {}, "names its brokers"),
        ("kafka://b:9092", {}, "ends in a topic"),
        ("kafka://b/a/b", {}, "'a/b' is not one"),
        ("kafka://b/..", {}, "is not one"),
        ("kafka://b/t?acks=1", {}, "'acks' must not be set: all replicas"),
        ("kafka://b/t", {"enable.idempotence": False}, "it is always on"),
        ("kafka://b/t", {"error_cb": print}, "'error_cb' is of type builtin"),
    ],
)
def test_wrong_address(url: str, options: dict[str, Any], words: str) -> None:
    """A wrong URL or option is reported at start-up."""
    with pytest.raises(ConfigError, match=words):
        make_chest({"url": url, "options": options})


def test_another_scheme() -> None:
    """The constructor refuses a URL with another scheme."""
    with pytest.raises(ConfigError, match="is not 'kafka://'"):
        FlaskChestKafka("redis://b/t")
