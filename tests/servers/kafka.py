"""A Kafka cluster for tests: the mock cluster of librdkafka, which implements the protocol.

Python's client ships the library, but does not expose these functions:
https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_mock.h
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from functools import cache
from importlib.metadata import files
from pathlib import Path
from types import TracebackType
from typing import Any

# Importing this also loads the library.
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from typing_extensions import Self

_PRODUCER = 0
_PRODUCE = 0  # the number of this request in the protocol
_FOREVER = 60_000


class Kafka:
    """``with Kafka() as cluster: ... cluster.url``. The cluster has one broker.

    :param topic: the name of its topic.
    :param partitions: the number of the topic's partitions.
    """

    def __init__(self, topic: str = "records", partitions: int = 2) -> None:
        self.topic = topic
        self.partitions = partitions
        self._handle: Any = None
        self._cluster: Any = None

    def __enter__(self) -> Self:
        lib = _library()
        error = ctypes.create_string_buffer(512)
        # The client that owns the cluster; it logs no complaint about missing brokers.
        settings = lib.rd_kafka_conf_new()
        lib.rd_kafka_conf_set(settings, b"log_level", b"0", error, len(error))
        self._handle = lib.rd_kafka_new(_PRODUCER, settings, error, len(error))
        assert self._handle, error.value
        self._cluster = lib.rd_kafka_mock_cluster_new(self._handle, 1)
        self.make_topic(self.topic)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lib = _library()
        lib.rd_kafka_mock_cluster_destroy(self._cluster)
        lib.rd_kafka_destroy(self._handle)

    @property
    def servers(self) -> str:
        bootstraps: bytes = _library().rd_kafka_mock_cluster_bootstraps(self._cluster)
        return bootstraps.decode()

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}/{self.topic}"

    def make_topic(self, name: str) -> None:
        _check(
            _library().rd_kafka_mock_topic_create(self._cluster, name.encode(), self.partitions, 1)
        )

    def stop(self) -> None:
        """Close and refuse connections; stored messages are kept."""
        _check(_library().rd_kafka_mock_broker_set_down(self._cluster, 1))

    def start(self) -> None:
        _check(_library().rd_kafka_mock_broker_set_up(self._cluster, 1))

    def pause(self) -> None:
        """Accept requests without answering them."""
        _check(_library().rd_kafka_mock_broker_set_rtt(self._cluster, 1, _FOREVER))

    def resume(self) -> None:
        _check(_library().rd_kafka_mock_broker_set_rtt(self._cluster, 1, 0))

    def fail(self, codes: Sequence[int], request: int = _PRODUCE) -> None:
        """Answer the next requests with these errors; earlier errors are dropped."""
        _library().rd_kafka_mock_clear_request_errors(self._cluster, request)
        numbers = (ctypes.c_int * len(codes))(*codes)
        _library().rd_kafka_mock_push_request_errors_array(
            self._cluster, request, len(codes), numbers
        )

    def limit_version(self, request: int, newest: int) -> None:
        """Support a kind of request only up to a version, as an older broker does."""
        _check(_library().rd_kafka_mock_set_apiversion(self._cluster, request, 0, newest))

    def deny_topic(self, name: str, code: int) -> None:
        """Answer all requests for a topic with an error; the code 0 ends this."""
        _library().rd_kafka_mock_topic_set_error(self._cluster, name.encode(), code)

    def messages(self) -> list[Message]:
        """Return all messages of the topic."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "tests"})
        try:
            return _read(consumer, self.topic)
        finally:
            consumer.close()


def _read(consumer: Consumer, topic: str) -> list[Message]:
    partitions = [
        TopicPartition(topic, number, 0)
        for number in consumer.list_topics(topic, 60).topics[topic].partitions
    ]
    ends = [consumer.get_watermark_offsets(each, 60) for each in partitions]
    for each, (low, _) in zip(partitions, ends, strict=True):
        each.offset = low
    count = sum(high - low for low, high in ends)
    consumer.assign(partitions)
    found: list[Message] = []
    deadline = time.monotonic() + 120
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} messages"
        for message in consumer.consume(count - len(found), 1):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            found.append(message)
    return found


@cache
def _library() -> ctypes.CDLL:
    [path] = {
        str(Path(file.locate()).resolve())
        for file in files("confluent-kafka") or []
        if file.name.startswith("librdkafka-")
    }
    lib = ctypes.CDLL(path)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    lib.rd_kafka_conf_new.restype = pointer
    lib.rd_kafka_conf_set.argtypes = [pointer, text, text, text, ctypes.c_size_t]
    lib.rd_kafka_new.restype = pointer
    lib.rd_kafka_new.argtypes = [number, pointer, text, ctypes.c_size_t]
    lib.rd_kafka_destroy.argtypes = [pointer]
    lib.rd_kafka_mock_cluster_new.restype = pointer
    lib.rd_kafka_mock_cluster_new.argtypes = [pointer, number]
    lib.rd_kafka_mock_cluster_destroy.argtypes = [pointer]
    lib.rd_kafka_mock_cluster_bootstraps.restype = text
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    lib.rd_kafka_mock_topic_create.argtypes = [pointer, text, number, number]
    lib.rd_kafka_mock_set_apiversion.argtypes = [
        *(pointer, ctypes.c_int16, ctypes.c_int16, ctypes.c_int16),
    ]
    lib.rd_kafka_mock_topic_set_error.argtypes = [pointer, text, number]
    lib.rd_kafka_mock_broker_set_down.argtypes = [pointer, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_up.argtypes = [pointer, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_rtt.argtypes = [pointer, ctypes.c_int32, number]
    lib.rd_kafka_mock_clear_request_errors.argtypes = [pointer, ctypes.c_int16]
    lib.rd_kafka_mock_push_request_errors_array.argtypes = [
        *(pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)),
    ]
    return lib


def _check(code: int) -> None:
    assert code == 0, f"librdkafka returned {code}"
