"""Kafka, against librdkafka's own cluster and its faults."""

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
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.chests.registry import make_chest
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.encoding import Batch, decode, encode
from flask_chest.record.record import Record
from flask_chest.testing import check_chest, make_records
from tests.servers.daemon import free_port
from tests.servers.kafka import Kafka

# The number of that request in the protocol; a producer that is idempotent begins with it.
INIT_PRODUCER_ID = 22
_SLOW = r"not acknowledged the records within 0\.2 s; check that they keep up.*CHEST_EXPORT_TIMEOUT"


@pytest.fixture
def fresh() -> Iterator[Kafka]:
    """A cluster that no client has been to."""
    with Kafka() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def at_home(request: pytest.FixtureRequest) -> Iterator[list[tuple[Kafka, FlaskChestKafka]]]:
    """One cluster for each test that asks for it, with a chest that knows it.

    Half a second passes before a client asks for its producer's id again that found no broker yet:
    https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_idempotence.c. So all of them
    begin with that at once.
    """
    wanted = sum("pair" in getattr(item, "fixturenames", ()) for item in request.session.items)
    with ExitStack() as stack:
        clusters = [stack.enter_context(Kafka()) for _ in range(wanted)]
        chests = [FlaskChestKafka(cluster.url) for cluster in clusters]
        for chest in chests:
            stack.callback(chest.close)
            wait_for(chest, 60)
            chest._producer.get()
        yield list(zip(clusters, chests, strict=True))


@pytest.fixture
def pair(at_home: list[tuple[Kafka, FlaskChestKafka]]) -> tuple[Kafka, FlaskChestKafka]:
    return at_home.pop()


@pytest.fixture
def cluster(pair: tuple[Kafka, FlaskChestKafka]) -> Kafka:
    return pair[0]


@pytest.fixture
def chest(pair: tuple[Kafka, FlaskChestKafka]) -> FlaskChestKafka:
    return pair[1]


def wait_for(chest: FlaskChestKafka, seconds: float) -> None:
    """Tell a chest how long a call may take."""
    chest.bind(AppInfo(instance_path=Path(), timeout=seconds))


def write_until_told(chest: FlaskChestKafka, records: Sequence[Record], words: str) -> str:
    """Write until the chest has heard from its client what is wrong, in whichever call that is."""
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
    """The ids of all messages, each as often as it is there."""
    return [record_id(message) for message in cluster.messages()]


@pytest.mark.server
def test_conforms(fresh: Kafka) -> None:
    """It passes the suite, read by the header: a log keeps all that it gets, also what it had."""
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
    """A message is the record's line; its key the request's id, its time the record's."""
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
    """A record without a request id has no key, so that not all such go to one partition."""
    [record] = make_records(1)
    chest.write([replace(record, request_id="")])
    [message] = cluster.messages()
    assert message.key() is None


def test_one_key_one_partition(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """Records of one request id are in one partition, in their order; others are spread."""
    records = [replace(record, request_id="same") for record in make_records(20)]
    chest.write(records + make_records(20))
    messages = cluster.messages()
    same = [message for message in messages if message.key() == b"same"]
    assert len({message.partition() for message in same}) == 1
    assert [record_id(message) for message in same] == [record.id for record in records]
    assert len({message.partition() for message in messages}) == 2


def test_down_and_up_again(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """Records that waited are there once: the producer still had them, and was not given more."""
    records = make_records(8)
    chest.write(records[:4])
    cluster.stop()
    wait_for(chest, 0.3)
    write_until_told(chest, records[4:], "check hosts and ports")
    wait_for(chest, 0.01)  # too short to be told again
    for _ in range(2):
        with pytest.raises(DeliveryError, match="check hosts and ports"):
            chest.write(records[4:])
    cluster.start()
    wait_for(chest, 60)
    chest.write(records[4:])
    assert sorted(stored_ids(cluster)) == sorted(record.id for record in records)


def test_a_broker_that_takes_and_does_not_answer(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """The records wait; when it answers at last, they are there once."""
    records = make_records(4)
    chest.write(records[:1])
    wait_for(chest, 0.2)
    cluster.pause()
    with pytest.raises(DeliveryError, match=_SLOW) as caught:
        chest.write(records[1:])
    assert f"chest 'kafka' at {cluster.url}: " in str(caught.value)
    cluster.resume()
    wait_for(chest, 60)
    chest.write(records[1:])
    assert sorted(stored_ids(cluster)) == sorted(record.id for record in records)


def test_what_was_acknowledged_is_not_sent_again(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """Of a batch that failed in part, the rest is sent the next time, however it is cut then."""
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
def test_a_broker_refuses(cluster: Kafka, chest: FlaskChestKafka, code: int) -> None:
    """It refuses a bundle, in which one is to blame: by halves it is found; the others arrive."""
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
    """One that the client itself refuses is named; all others were stored."""
    records = make_records(5)
    records[3] = replace(records[3], vars={"text": "x" * 2_000_000})
    with pytest.raises(RejectedError, match="MSG_SIZE_TOO_LARGE") as caught:
        chest.write(records)
    assert list(caught.value.record_ids or ()) == [records[3].id]
    good = [record.id for record in records if record is not records[3]]
    assert sorted(stored_ids(cluster)) == sorted(good)


def test_a_topic_that_does_not_exist(fresh: Kafka) -> None:
    """It is told by name, records wait, and go there once it exists."""
    chest = FlaskChestKafka(fresh.url)
    wait_for(chest, 60)
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
    """A right that is lacking is named, and the records wait."""
    chest.write(make_records(1))
    cluster.fail([KafkaError.TOPIC_AUTHORIZATION_FAILED])
    records = make_records(1)
    with pytest.raises(DeliveryError, match="give this user the right to write"):
        chest.write(records)
    chest.write(records)
    assert len(stored_ids(cluster)) == 2


def test_a_producer_that_gave_up_is_replaced(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """What the client calls fatal is not its end: the next batch has a new producer."""
    chest.write(make_records(1))
    cluster.fail([KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER])
    records = make_records(2)
    with pytest.raises(DeliveryError, match="OUT_OF_ORDER_SEQUENCE_NUMBER"):
        chest.write(records)
    chest.write(records)
    assert {record.id for record in records} < set(stored_ids(cluster))


def test_brokers_that_are_too_old(fresh: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    """They are told with the remedy, records wait, and the client logs nothing of its own."""
    chest = FlaskChestKafka(fresh.url)
    wait_for(chest, 60)
    fresh.limit_version(INIT_PRODUCER_ID, -1)
    for _ in range(2):
        write_until_told(chest, make_records(1), r"/records: .*upgrade the brokers to Kafka 0\.11")
    assert caplog.records == []
    chest.close()


def test_the_client_logs_what_it_is_asked_to(
    fresh: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    """With librdkafka's own settings it tells how it goes, in the chest's log."""
    options = {"debug": "topic", "log_level": 7}
    chest = make_chest({"url": fresh.url, "options": options})
    with caplog.at_level(logging.DEBUG, "flask_chest.chests"):
        chest.write(make_records(1))
    chest.close()
    assert any(record.name == "flask_chest.chests" for record in caplog.records)


def test_check(cluster: Kafka, chest: FlaskChestKafka) -> None:
    """It asks for the topic, and leaves no message."""
    chest.check()
    assert stored_ids(cluster) == []
    cluster.stop()
    wait_for(chest, 0.2)
    with pytest.raises(DeliveryError, match="check hosts and ports"):
        chest.check()


def test_a_setting_that_is_none(fresh: Kafka) -> None:
    """What librdkafka does not know is told when it is first asked, and the records wait."""
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
    """Neither password nor any secret setting is shown; address and remedy are."""
    url = f"kafka://me:pass-word@127.0.0.1:{free_port()}/records?ssl.key.password=key-secret"
    chest = FlaskChestKafka(url, {"ssl.key.pem": "pem-secret", **options})
    wait_for(chest, 0.1)
    words = rf"kafka://me@127\.0\.0\.1:\d+/records: .*{remedy}"
    told = write_until_told(chest, make_records(1), words)
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
    """What cannot be is told at start-up."""
    with pytest.raises(ConfigError, match=words):
        make_chest({"url": url, "options": options})


def test_another_scheme() -> None:
    """The constructor takes no other URL."""
    with pytest.raises(ConfigError, match="is not 'kafka://'"):
        FlaskChestKafka("redis://b/t")
