"""An idempotent producer, and the messages that it has not delivered yet."""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

# Acknowledged messages of failed batches that are remembered.
_MAX_REMEMBERED = 100_000
# Seconds between two polls of a client whose queue is full.
_POLL_INTERVAL = 0.05
# Seconds to wait for the reason why a producer has given up.
_REASON_TIMEOUT = 1.0
# Calls without an acknowledgement after which a producer gives up, although brokers answer, and
# seconds to ask whether they do.
_MAX_STALLS = 3
_ASK_SECONDS = 1.0

# Errors of the messages of a producer that has given up; it reports the reason separately.
_GIVEN_UP = {"_FATAL", "_PURGE_QUEUE", "_PURGE_INFLIGHT"}


class Message(NamedTuple):
    """One message.

    :param id: the record's id.
    :param key: the record's request id.
    :param value: the record's line.
    :param time: microseconds since 1970 UTC.
    """

    id: bytes
    key: bytes
    value: bytes
    time: int


class _ClientLog:
    """Forwards the client's log messages, without fatal errors.

    The client would log a fatal error at each attempt. :class:`IdempotentProducer` raises or
    returns it.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, level: int, message: str, *details: object) -> None:
        """Log a message; called by the client.

        :param details: the client's name for the subject, then further details.
        """
        if details[:1] != ("FATAL",):
            self._logger.log(level, message, *details)


class IdempotentProducer:
    """Sends messages and remembers which of them the brokers have acknowledged.

    A message that was not acknowledged in time stays in the producer, which retries it. Brokers can
    only recognize a retry as such if it comes from the same producer.

    :param topic: the topic of all messages.
    :param settings: settings of librdkafka.
    :param logger: receives the client's log messages.
    :raises confluent_kafka.KafkaException: a setting is wrong.
    """

    def __init__(self, topic: str, settings: Mapping[str, Any], logger: logging.Logger) -> None:
        from confluent_kafka import KafkaException, Producer

        self._exception = KafkaException
        self._topic = topic
        self._waiting: set[bytes] = set()
        self._acknowledged: set[bytes] = set()
        self._rejected: dict[bytes, Any] = {}
        self._stalls = 0
        #: The last error of the brokers that the client reported; ``None`` after a success. The
        #: client reports the same error once in 30 seconds, so it is kept for the next calls.
        self.last_error: Any = None
        #: Whether the producer has given up for good.
        self.has_given_up = False
        self._producer: Any = Producer(
            {**settings, "error_cb": self._on_error}, logger=_ClientLog(logger)
        )
        # A forked process has the object without its threads, and would wait for them forever if
        # it destroyed the object. So only close() may release it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))

    def topic_error(self, seconds: float) -> Any:
        """Return the error of the topic; ``None`` if the topic exists.

        :param seconds: how long to wait for a broker.
        :raises confluent_kafka.KafkaException: no broker answers, or the producer has given up.
        """
        try:
            found = self._producer.list_topics(self._topic, timeout=seconds)
        finally:
            self._wait(self._producer.poll, 0)  # receives errors of the brokers
        if self.has_given_up:
            raise self._exception(self.last_error)
        self.last_error = None
        return found.topics[self._topic].error

    def deliver(self, messages: Iterable[Message], seconds: float) -> dict[bytes, Any]:
        """Send messages that the producer does not have yet, and wait for all acknowledgements.

        :param seconds: how long to wait.
        :returns: the error by id of each message that was not acknowledged; ``None`` for a message
            without a report.
        """
        deadline = time.monotonic() + seconds
        messages = list(messages)
        self._rejected = {}
        for message in messages:
            if message.id not in self._waiting and message.id not in self._acknowledged:
                self._produce(message, deadline)
        self._wait(self._producer.flush, max(0.0, deadline - time.monotonic()))
        self._wait_for_reason(deadline)
        ids = [message.id for message in messages]
        if not self._acknowledged.isdisjoint(ids):
            self._stalls = 0
        elif not self.has_given_up:
            self._note_stall()
        failed = {each: self._rejected.get(each) for each in ids if each not in self._acknowledged}
        if not failed:
            self.last_error = None
            self._acknowledged.difference_update(ids)
        elif len(self._acknowledged) > _MAX_REMEMBERED:
            self._acknowledged.clear()
        return failed

    def _wait_for_reason(self, deadline: float) -> None:
        # The client reports the reason for giving up a moment after it gave up. The wait is short,
        # since the reason may get lost; the next producer reports it again.
        deadline = min(deadline, time.monotonic() + _REASON_TIMEOUT)
        while self.has_given_up and self.last_error is None and not self._rejected:
            if time.monotonic() > deadline:
                return
            self._wait(self._producer.poll, _POLL_INTERVAL)

    def _note_stall(self) -> None:
        """Give up after some calls in which the brokers answer, but acknowledge no message.

        A broker that has lost its state, for example by a restart without its disk, does not know
        this producer any more, and the client would wait forever. A new producer has a new id.
        """
        try:
            self._producer.list_topics(self._topic, timeout=_ASK_SECONDS)
        except self._exception:
            return  # no broker can be reached, and the last error says why
        # The broker is back, so what was wrong with its connection says nothing any more.
        self.last_error = None
        self._stalls += 1
        self.has_given_up = self.has_given_up or self._stalls >= _MAX_STALLS

    def _wait(self, method: Callable[[float], object], seconds: float) -> None:
        try:
            method(seconds)
        except (self._exception, SystemError) as error:
            # The client raises a fatal error inside of a callback, which Python may turn into a
            # SystemError:
            # https://github.com/confluentinc/librdkafka/blob/master/INTRODUCTION.md#fatal-errors
            cause = error if isinstance(error, self._exception) else error.__cause__
            self.last_error = cause.args[0] if isinstance(cause, self._exception) else None
            self.has_given_up = True

    def close(self) -> None:
        """Drop the messages that were not acknowledged, and close the connections."""
        self._producer.purge()
        self._wait(self._producer.flush, 0)
        producer, self._producer = self._producer, None
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(producer))

    def _produce(self, message: Message, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    message.value,
                    # A message without a key may go to any partition.
                    message.key or None,
                    on_delivery=partial(self._on_delivery, message.id),
                    timestamp=max(0, message.time // 1000),
                    headers=[("chest-record-id", message.id)],
                )
            except BufferError:
                if time.monotonic() > deadline:
                    return
                self._producer.poll(_POLL_INTERVAL)
            except self._exception as error:
                self._reject(message.id, error.args[0])
                return
            else:
                self._waiting.add(message.id)
                return

    def _on_delivery(self, record_id: bytes, error: Any, _: Any) -> None:
        self._waiting.discard(record_id)
        if error is None:
            self._acknowledged.add(record_id)
        else:
            self._reject(record_id, error)

    def _reject(self, record_id: bytes, error: Any) -> None:
        if error.name() in _GIVEN_UP:
            self.has_given_up = True
            return
        self._rejected[record_id] = error
        self.has_given_up = self.has_given_up or error.fatal()

    def _on_error(self, error: Any) -> None:
        # "All brokers are down" says less than the error before it.
        if self.last_error is None or error.name() != "_ALL_BROKERS_DOWN":
            self.last_error = error
        self.has_given_up = self.has_given_up or error.fatal()
