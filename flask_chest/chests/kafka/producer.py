"""Messages in the hands of Kafka's client, and what its delivery reports say of them."""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

# As many acknowledged messages of batches that failed are remembered.
_MAX_REMEMBERED = 100_000
# Seconds between looks at a client whose queue is full.
_PAUSE = 0.05
# Seconds to wait for the reason why a producer has given up.
_REASON_SECONDS = 1.0

# What a producer that has given up says of messages; why it has, it tells apart from them.
_GIVEN_UP = {"_FATAL", "_PURGE_QUEUE", "_PURGE_INFLIGHT"}


class Message(NamedTuple):
    """One message.

    :param id: the record's.
    :param time: microseconds since 1970 UTC.
    """

    id: bytes
    key: bytes
    value: bytes
    time: int


class _ClientLog:
    """Passes on what the client logs, but for fatal errors: each attempt would log one anew.

    It knows no level below that for them; they
    are reported by what :class:`IdempotentProducer` raises or returns.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, level: int, message: str, *details: object) -> None:
        """What the client calls.

        :param details: what it is about, as the client calls it, comes first.
        """
        if details[:1] != ("FATAL",):
            self._logger.log(level, message, *details)


class IdempotentProducer:
    """One idempotent producer, and the messages that it was given.

    What was not acknowledged in time stays with the producer, which tries on: only as long as it is
    the same message to it can brokers tell a repetition from news.

    :param topic: where messages go.
    :param settings: of librdkafka.
    :param logger: gets what the client logs.
    :raises confluent_kafka.KafkaException: it takes no such settings.
    """

    def __init__(self, topic: str, settings: Mapping[str, Any], logger: logging.Logger) -> None:
        from confluent_kafka import KafkaException, Producer

        self._failure = KafkaException
        self._topic = topic
        self._waiting: set[bytes] = set()
        self._acknowledged: set[bytes] = set()
        self._refused: dict[bytes, Any] = {}
        #: What the client said last of its brokers; ``None`` once they took all that was asked of
        #: them. It says the same only once in 30 seconds, so that one call may hear nothing new.
        self.trouble: Any = None
        #: Whether the producer has given up for good.
        self.is_broken = False
        told = {**settings, "error_cb": self._note}
        self._producer: Any = Producer(told, logger=_ClientLog(logger))
        # A fork has the object, and not its threads: it would wait for them for ever when it ends.
        # So none but close() may let go of it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))

    def topic_error(self, seconds: float) -> Any:
        """What the brokers have against the topic; ``None`` where it is there.

        :raises confluent_kafka.KafkaException: no broker answers, or the producer has given up.
        """
        try:
            found = self._producer.list_topics(self._topic, timeout=seconds)
        finally:
            self._heed(self._producer.poll, 0)  # for what the client says of its brokers
        if self.is_broken:
            raise self._failure(self.trouble)
        self.trouble = None
        return found.topics[self._topic].error

    def deliver(self, messages: Iterable[Message], seconds: float) -> dict[bytes, Any]:
        """Send messages, but for those that the producer has already, and wait for the reports.

        :returns: the error for each id that was not acknowledged; ``None`` where nothing is known.
        """
        deadline = time.monotonic() + seconds
        messages = list(messages)
        self._refused = {}
        for message in messages:
            if message.id not in self._waiting and message.id not in self._acknowledged:
                self._hand_over(message, deadline)
        self._heed(self._producer.flush, max(0.0, deadline - time.monotonic()))
        self._hear_why(deadline)
        ids = [message.id for message in messages]
        left = {each: self._refused.get(each) for each in ids if each not in self._acknowledged}
        if not left:
            self.trouble = None
            self._acknowledged.difference_update(ids)
        elif len(self._acknowledged) > _MAX_REMEMBERED:
            self._acknowledged.clear()
        return left

    def _hear_why(self, deadline: float) -> None:
        # That it has given up, the client tells a moment before it tells why. Not for long: thrown
        # through a report, that may be lost, and the next producer tells it again.
        deadline = min(deadline, time.monotonic() + _REASON_SECONDS)
        while self.is_broken and self.trouble is None and not self._refused:
            if time.monotonic() > deadline:
                return
            self._heed(self._producer.poll, _PAUSE)

    def _heed(self, wait: Callable[[float], object], seconds: float) -> None:
        try:
            wait(seconds)
        except (self._failure, SystemError) as error:
            # A fatal error is thrown right through the reports, which the interpreter resents:
            # https://github.com/confluentinc/librdkafka/blob/master/INTRODUCTION.md#fatal-errors
            cause = error if isinstance(error, self._failure) else error.__cause__
            self.trouble = cause.args[0] if isinstance(cause, self._failure) else None
            self.is_broken = True

    def close(self) -> None:
        """Give up what was not acknowledged, and let go of the connections."""
        self._producer.purge()
        self._heed(self._producer.flush, 0)
        producer, self._producer = self._producer, None
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(producer))

    def _hand_over(self, message: Message, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    message.value,
                    # Without a key it may go anywhere.
                    message.key or None,
                    on_delivery=partial(self._report, message.id),
                    timestamp=max(0, message.time // 1000),
                    headers=[("chest-record-id", message.id)],
                )
            except BufferError:
                if time.monotonic() > deadline:
                    return
                self._producer.poll(_PAUSE)
            except self._failure as error:
                self._refuse(message.id, error.args[0])
                return
            else:
                self._waiting.add(message.id)
                return

    def _report(self, record_id: bytes, error: Any, _: Any) -> None:
        self._waiting.discard(record_id)
        if error is None:
            self._acknowledged.add(record_id)
        else:
            self._refuse(record_id, error)

    def _refuse(self, record_id: bytes, error: Any) -> None:
        if error.name() in _GIVEN_UP:
            self.is_broken = True
            return
        self._refused[record_id] = error
        self.is_broken = self.is_broken or error.fatal()

    def _note(self, error: Any) -> None:
        # "All brokers are down" says less than what was said before.
        if self.trouble is None or error.name() != "_ALL_BROKERS_DOWN":
            self.trouble = error
        self.is_broken = self.is_broken or error.fatal()
