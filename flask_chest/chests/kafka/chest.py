"""The chest for Kafka: one message per record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ConfigError, DeliveryError, RejectedError
from ...record.json_line import loads
from ...record.record import Record
from ..base import Chest
from ..batch_bodies import to_lines
from ..drivers import require_driver
from ..error_messages import describe_cause
from ..per_process_client import PerProcessClient
from ..url import StoreURL
from .producer import IdempotentProducer, Message

_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
# Options that the chest sets itself, since delivery relies on them -> what to do instead.
_FIXED_OPTIONS = {
    "bootstrap.servers": "name the brokers in the URL",
    "metadata.broker.list": "name the brokers in the URL",
    "enable.idempotence": "it is always on",
    "acks": "all replicas acknowledge",
    "request.required.acks": "all replicas acknowledge",
    "message.timeout.ms": "set CHEST_EXPORT_TIMEOUT",
    "delivery.timeout.ms": "set CHEST_EXPORT_TIMEOUT",
}
_SECRET = re.compile(r"password|secret|\.pem$|token|sasl\.oauthbearer\.config")
# The beginning of a line that capture encoded, so that the line need not be decoded.
_START = re.compile(rb'\{"id":"(\w+)","time":(\d+),"request_id":"([^"\\]*)"')
# librdkafka's names of the errors that are caused by a message and not by a broker.
_REJECTIONS = {"MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP", "INVALID_MSG_SIZE"}
_NO_TOPIC = "create the topic, or name another one"
_DENIED = "give this user the right to write to the topic"
_CREDENTIALS = "check user, password and 'sasl.mechanism'"
_REMEDIES = {
    "UNKNOWN_TOPIC_OR_PART": _NO_TOPIC,
    "_UNKNOWN_TOPIC": _NO_TOPIC,
    "_UNKNOWN_PARTITION": _NO_TOPIC,
    "TOPIC_AUTHORIZATION_FAILED": _DENIED,
    "CLUSTER_AUTHORIZATION_FAILED": "give this user the right 'IdempotentWrite' on the cluster",
    "SASL_AUTHENTICATION_FAILED": _CREDENTIALS,
    "_AUTHENTICATION": _CREDENTIALS,
    "_SSL": "set 'ssl.ca.location' to the file of the CA that signed the brokers' certificates",
    "_UNSUPPORTED_FEATURE": "upgrade the brokers to Kafka 0.11 or newer",
    "_INVALID_ARG": "see the URL's parameters and 'options'",
}
# Errors whose text is the client's own and says more than the name.
_OWN_TEXTS = {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_SSL", "_INVALID_ARG"}
_UNREACHABLE = "check hosts and ports, and that the brokers run"
_REMEDIES |= dict.fromkeys(
    ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT"), _UNREACHABLE
)
_SLOW = (
    "check that they keep up, and that the topic has as many replicas in sync as its "
    "'min.insync.replicas' requires; or raise CHEST_EXPORT_TIMEOUT"
)
_TOO_LARGE = "see 'max.message.bytes' of the topic, and the option 'message.max.bytes'"


class FlaskChestKafka(Chest):
    """Sends one message per record to a topic of Kafka, or of a server with Kafka's protocol.

    The value of a message is the record as JSON, the key is its request id, the timestamp its time.
    The header ``chest-record-id`` is the record's id, by which a consumer recognizes a record that
    was sent twice.

    :param url: e.g. ``"kafka://broker:9092,other:9092/topic"``. Any `setting
        <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>`_ of librdkafka
        may follow after a ``?``, e.g. ``compression.type=zstd``. With ``user:password@`` the chest
        authenticates by SASL, by default ``PLAIN`` over TLS.
    :param options: further settings of librdkafka.
    :raises flask_chest.errors.ConfigError: confluent-kafka is not installed, the URL is malformed,
        or an option is one that the chest sets itself.

    .. versionadded:: 1.0
    """

    scheme = "kafka"
    shareable = True

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
                f"a Kafka URL ends in a topic of letters, digits, '.', '_' and '-'; "
                f"{self.topic!r} is not one"
            )
        super().__init__(**arguments)
        self._options = _check_options({**self.address.query, **(options or {})})
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
        return (*self.address.secrets(), *hidden)

    def describe_error(self, error: BaseException) -> str:
        return describe_cause(error)

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        messages = [_message(line) for line in to_lines(records)]
        with self.converted_errors():
            self._write(messages)

    def _write(self, messages: Sequence[Message]) -> None:
        producer = self._producer.get()
        if not self._knows_topic:
            self._check_topic(producer)
        failed = producer.deliver(messages, self.timeout)
        if producer.has_given_up:
            self.close()
        if failed:
            self._raise_for_failed(failed, producer.last_error)

    def check(self) -> None:
        with self.converted_errors():
            self._check_topic(self._producer.get())

    def close(self) -> None:
        self._producer.close()

    def _open_producer(self) -> IdempotentProducer:
        from confluent_kafka import KafkaException

        self._knows_topic = False
        try:
            return IdempotentProducer(self.topic, self._settings(), self.logger)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from None

    def _check_topic(self, producer: IdempotentProducer) -> None:
        from confluent_kafka import KafkaException

        try:
            error = producer.topic_error(self.timeout)
        except KafkaException as failure:
            if producer.has_given_up:
                self.close()
            raise self._unavailable(producer.last_error or failure.args[0]) from None
        if error is not None:
            raise self._unavailable(error)
        self._knows_topic = True

    def _raise_for_failed(self, failed: Mapping[bytes, Any], last_error: Any) -> None:
        rejected = {each: error for each, error in failed.items() if _is_rejection(error)}
        if len(rejected) < len(failed):
            error = next(error for each, error in failed.items() if each not in rejected)
            # The client caches the metadata of a topic until it is asked for them.
            self._knows_topic = error is None and self._knows_topic
            raise self._unavailable(error or last_error)
        reason = self.error_message(_describe(next(iter(rejected.values()))), _TOO_LARGE)
        # Brokers reject messages in bundles: if several were rejected, some of them may be good.
        ids = [each.decode() for each in rejected] if len(rejected) == 1 else None
        raise RejectedError(reason, record_ids=ids)

    def _unavailable(self, error: Any) -> DeliveryError:
        if error is None:
            reason = f"the brokers have not acknowledged the records within {self.timeout:g} s"
            return self.unavailable(reason, _SLOW)
        self.log_detail(f"{error.name()}: {error.str()}")
        return self.unavailable(_describe(error), _REMEDIES.get(error.name(), ""))

    def _settings(self) -> dict[str, Any]:
        milliseconds = max(100, int(self.timeout * 1000))
        settings: dict[str, Any] = {
            "client.id": "flask-chest",
            "socket.timeout.ms": milliseconds,
            "request.timeout.ms": milliseconds,
            # A broker that is back after a pause must be found within one call.
            "reconnect.backoff.max.ms": max(100, min(1000, milliseconds // 8)),
            "socket.keepalive.enable": True,
            # The chest raises errors, so the client need not log them.
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
            # The producer retries until it is closed, see IdempotentProducer.
            "message.timeout.ms": 0,
        }


def _check_options(options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if name in _FIXED_OPTIONS:
            raise ConfigError(f"option {name!r} must not be set: {_FIXED_OPTIONS[name]}")
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


def _is_rejection(error: Any) -> bool:
    return error is not None and error.name() in _REJECTIONS


def _describe(error: Any) -> str:
    """Describe an error in the words of the client, not in those of a broker."""
    from confluent_kafka import KafkaError

    name: str = error.name()
    text = error.str() if name in _OWN_TEXTS else KafkaError(error.code()).str()
    return f"{name}: {text}"
