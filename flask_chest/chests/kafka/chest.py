"""Kafka: one message per record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ConfigError, DeliveryError, RejectedError
from ...record.encoding import loads
from ...record.record import Record
from ..base import Chest
from ..batches import to_lines
from ..client import PerProcessClient, require_driver
from ..url import StoreURL
from .producer import IdempotentProducer, Message

_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
# What delivery relies on.
_OURS = {
    "bootstrap.servers": "name the brokers in the URL",
    "metadata.broker.list": "name the brokers in the URL",
    "enable.idempotence": "it is always on",
    "acks": "all replicas acknowledge",
    "request.required.acks": "all replicas acknowledge",
    "message.timeout.ms": "set CHEST_EXPORT_TIMEOUT",
    "delivery.timeout.ms": "set CHEST_EXPORT_TIMEOUT",
}
_SECRET = re.compile(r"password|secret|\.pem$|token|sasl\.oauthbearer\.config")
# What stands at the front of a line that capture made: the rest need not be looked at.
_START = re.compile(rb'\{"id":"(\w+)","time":(\d+),"request_id":"([^"\\]*)"')
# By the names that librdkafka gives them. A message, not a broker, is at fault:
_REFUSED = {"MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP", "INVALID_MSG_SIZE"}
_MISSING = "create the topic, or name another one"
_DENIED = "give this user the right to write to the topic"
_CREDENTIALS = "check user, password and 'sasl.mechanism'"
_REMEDIES = {
    "UNKNOWN_TOPIC_OR_PART": _MISSING,
    "_UNKNOWN_TOPIC": _MISSING,
    "_UNKNOWN_PARTITION": _MISSING,
    "TOPIC_AUTHORIZATION_FAILED": _DENIED,
    "CLUSTER_AUTHORIZATION_FAILED": "give this user the right 'IdempotentWrite' on the cluster",
    "SASL_AUTHENTICATION_FAILED": _CREDENTIALS,
    "_AUTHENTICATION": _CREDENTIALS,
    "_SSL": "set 'ssl.ca.location' to the file of the CA that signed the brokers' certificates",
    "_UNSUPPORTED_FEATURE": "upgrade the brokers to Kafka 0.11 or newer",
    "_INVALID_ARG": "see the URL's parameters and 'options'",
}
_UNREACHABLE = "check hosts and ports, and that the brokers run"
_REMEDIES |= dict.fromkeys(
    ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT"), _UNREACHABLE
)
_SLOW = (
    "see that they keep up, and that the topic has the replicas in sync that its "
    "'min.insync.replicas' asks for; or raise CHEST_EXPORT_TIMEOUT"
)
_SMALLER = "see 'max.message.bytes' of the topic, and the option 'message.max.bytes'"


class FlaskChestKafka(Chest):
    """One message per record, in a topic of Kafka, or of whatever else speaks its protocol.

    The value is the record as JSON, the key its request id, the time the request's; the header
    ``chest-record-id`` is the record's id, by which a reader can tell a repetition from news.

    :param url: ``"kafka://broker:9092,other:9092/topic"``. After a ``?`` may follow any `setting
        <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>`_ of librdkafka,
        e.g. ``compression.type=zstd``. With ``user:password@`` it is SASL, by default ``PLAIN``
        over TLS.
    :param options: further settings of librdkafka.
    :raises flask_chest.errors.ConfigError: confluent-kafka is not installed, the URL is malformed,
        or a setting is one that delivery relies on.

    .. versionadded:: 1.0
    """

    scheme = "kafka"

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, **arguments: Any
    ) -> None:
        require_driver("confluent_kafka", "kafka")
        self.address = StoreURL.parse(url)
        if self.address.scheme != "kafka":
            raise ConfigError(f"{self.address.scheme!r} is not 'kafka://'")
        if not self.address.hosts:
            raise ConfigError("a Kafka URL names its brokers: kafka://broker:9092/topic")
        self.topic = self.address.path
        if not _TOPIC.fullmatch(self.topic):
            raise ConfigError(
                f"a Kafka URL ends in the topic, of letters, digits, '.', '_' and '-'; "
                f"{self.topic!r} is none"
            )
        super().__init__(**arguments)
        self._options = _checked({**self.address.query, **(options or {})})
        self._producer = PerProcessClient(self._open_producer)
        self._knows_topic = False

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestKafka:
        """``kafka://broker:9092,other:9092/topic``"""
        return cls(url, **arguments)

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return self.address.public_location()

    def secrets(self) -> tuple[str, ...]:
        hidden = [str(value) for name, value in self._options.items() if _SECRET.search(name)]
        return (self.address.password, *hidden)

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        messages = [_message(line) for line in to_lines(records)]
        producer = self._producer.get()
        if not self._knows_topic:
            self._check_topic(producer)
        left = producer.deliver(messages, self.timeout)
        if producer.is_broken:
            self.close()
        if left:
            self._judge(left, producer.trouble)

    def check(self) -> None:
        self._check_topic(self._producer.get())

    def close(self) -> None:
        self._producer.close()

    def _open_producer(self) -> IdempotentProducer:
        from confluent_kafka import KafkaException

        self._knows_topic = False
        try:
            return IdempotentProducer(self.topic, self._settings(), self.logger)
        except KafkaException as error:
            raise self._later(error.args[0]) from None

    def _check_topic(self, producer: IdempotentProducer) -> None:
        from confluent_kafka import KafkaException

        try:
            error = producer.topic_error(self.timeout)
        except KafkaException as failure:
            if producer.is_broken:
                self.close()
            raise self._later(producer.trouble or failure.args[0]) from None
        if error is not None:
            raise self._later(error)
        self._knows_topic = True

    def _judge(self, left: Mapping[bytes, Any], trouble: Any) -> None:
        refused = {each: error for each, error in left.items() if _is_refusal(error)}
        if len(refused) < len(left):
            error = next(error for each, error in left.items() if each not in refused)
            # The client holds on to what it knows of a topic until it is asked anew.
            self._knows_topic = error is None and self._knows_topic
            raise self._later(error or trouble)
        reason = self.error_message(_told(next(iter(refused.values()))), _SMALLER)
        # Brokers refuse messages in bundles: of several, each by itself might do.
        blamed = [each.decode() for each in refused] if len(refused) == 1 else None
        raise RejectedError(reason, record_ids=blamed)

    def _later(self, error: Any) -> DeliveryError:
        if error is None:
            reason = f"the brokers have not acknowledged the records within {self.timeout:g} s"
            return DeliveryError(self.error_message(reason, _SLOW))
        return DeliveryError(self.error_message(_told(error), _REMEDIES.get(error.name(), "")))

    def _settings(self) -> dict[str, Any]:
        milliseconds = max(100, int(self.timeout * 1000))
        settings: dict[str, Any] = {
            "client.id": "flask-chest",
            "socket.timeout.ms": milliseconds,
            "request.timeout.ms": milliseconds,
            # Who is back after a pause must be found within one call.
            "reconnect.backoff.max.ms": max(100, min(1000, milliseconds // 8)),
            "socket.keepalive.enable": True,
            # What goes wrong is told by errors.
            "log_level": 0,
        }
        if self.address.username:
            settings |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "sasl.username": self.address.username,
                "sasl.password": self.address.password,
            }
        return {
            **settings,
            **self._options,
            "bootstrap.servers": self.address.hosts,
            "enable.idempotence": True,
            # The producer tries for as long as it lives, see Outbox.
            "message.timeout.ms": 0,
        }


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if name in _OURS:
            raise ConfigError(f"option {name!r} is not to be set: {_OURS[name]}")
        if not isinstance(value, (str, bool, int, float)):
            kind = type(value).__name__
            raise ConfigError(f"option {name!r} is of type {kind}; expected text or a number")
    return options


def _message(line: bytes) -> Message:
    start = _START.match(line)
    if start is not None:
        return Message(start[1], start[3], line, int(start[2]))
    values = loads(line)
    return Message(values["id"].encode(), values["request_id"].encode(), line, values["time"])


def _is_refusal(error: Any) -> bool:
    return error is not None and error.name() in _REFUSED


def _told(error: Any) -> str:
    return f"{error.name()}: {error.str()}"
