"""The Redis chest: one stream entry per record, which a relay delivers to another chest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ...errors import ConfigError, DeliveryError, RejectedError, suggest_name
from ...record.json_line import loads
from ...record.record import Record
from ..base import Chest
from ..batch_bodies import split_lines, to_lines
from ..drivers import require_driver
from ..per_process_client import PerProcessClient
from ..url import StoreURL
from .errors import describe_error, remedy_for

#: The field of an entry that holds the record's line of JSON.
FIELD = b"record"

_SCHEMES = ("redis", "rediss")
_PORT = 6379
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_OLDEST = (7, 0)
# A record's id cannot be its entry's id: Redis refuses an entry id that is not above the last one,
# and records come in any order. So two sets hold the ids of recent records: the current window and
# the window before it. Redis runs a script as one command, and logs it as one. The script adds the
# entry before the id: if it is interrupted in between, the record is stored twice, not lost.
_ADD = """
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('SISMEMBER', KEYS[2], id) == 0 and redis.call('SISMEMBER', KEYS[3], id) == 0 then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'record', ARGV[i + 1])
    redis.call('SADD', KEYS[2], id)
  end
end
if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[2]) then
  redis.call('UNLINK', KEYS[3])
  redis.call('RENAME', KEYS[2], KEYS[3])
end
"""
# Limits for one call of the script, because Redis serves nobody else while a script runs.
_CALL_RECORDS = 100
_CALL_BYTES = 1024 * 1024
# Bytes. The default of Redis' proto-max-bulk-len, for servers that do not report it.
_MAX_VALUE_BYTES = 512 * 1024 * 1024
_LINE_START = b'{"id":"'


class FlaskChestRedis(Chest):
    """Stores records in a stream of Redis or Valkey (7 or newer).

    ``flask chest relay`` delivers the records from the stream to another chest. An entry has one
    field, ``record``: the record as JSON. Two sets, ``{chest}:ids`` and ``{chest}:ids:before``,
    hold the ids of recent records, so that a record that is sent again adds no second entry.

    :param url: ``"redis://user:password@host:6379/0?stream=chest"``, or ``"rediss://..."`` for TLS;
        its query may set ``stream``, ``maxlen``, ``window`` and redis-py's ``ssl_ca_certs``,
        ``ssl_certfile``, ``ssl_keyfile`` and ``ssl_cert_reqs``.
    :param stream: the stream's key; default ``"chest"``.
    :param maxlen: the stream's length, approximately; Redis trims the oldest entries of a longer
        stream, relayed or not. Default 1,000,000.
    :param window: the number of ids that are remembered; at most twice as many. Default
        100,000.
    :raises flask_chest.errors.ConfigError: redis-py is not installed, or the URL is wrong.

    .. versionadded:: 1.0
    """

    scheme = "redis"
    shareable = True

    def __init__(
        self,
        url: str,
        stream: str | None = None,
        maxlen: int | None = None,
        window: int | None = None,
        **arguments: Any,
    ) -> None:
        require_driver("redis", "redis")
        self.address = StoreURL.parse(url)
        if self.address.scheme not in _SCHEMES:
            raise ConfigError(f"{self.address.scheme!r} is not 'redis://' or 'rediss://'")
        self.database = _database(self.address.path)
        self._port = self.address.port or _PORT
        super().__init__(**arguments)
        query = self.address.query
        self.stream = stream or query.get("stream", "") or "chest"
        self.maxlen = _number("maxlen", maxlen, query, 1_000_000)
        self.window = _number("window", window, query, 100_000)
        self._tls = _tls_options(query, self.address.scheme)
        self._max_value_bytes = _MAX_VALUE_BYTES
        self._client: PerProcessClient[Any] = PerProcessClient(self._make_client)
        self._ready = False

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestRedis:
        """``redis://user:password@host:6379/0?stream=chest``, ``rediss://...``"""
        return cls(url, **arguments)

    def describe(self) -> str:
        return f"{self.address.public_url()}?stream={self.stream}"

    def location(self) -> str:
        return f"{self.address.public_location()}?stream={self.stream}"

    def secrets(self) -> tuple[str, ...]:
        return self.address.secrets()

    @property
    def keys(self) -> tuple[str, str, str]:
        """The keys of the stream and of the two sets of ids; all three are in one cluster slot."""
        tagged = self.stream if "{" in self.stream else f"{{{self.stream}}}"
        return (self.stream, f"{tagged}:ids", f"{tagged}:ids:before")

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        lines = to_lines(records)
        with self.converted_errors():
            client = self.client()
            answers = self._send(
                client, [line for line in lines if len(line) <= self._max_value_bytes]
            )
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        self._reject([line for line in lines if len(line) > self._max_value_bytes])

    def check(self) -> None:
        with self.converted_errors():
            kind = self.client().type(self.stream)
        if kind not in {b"stream", b"none"}:
            reason = f"the key {self.stream!r} is a {kind.decode()}"
            raise self.unavailable(reason, "name another one: ?stream=")

    def to_delivery_error(self, error: BaseException) -> DeliveryError:
        # After a failover the name leads to another server, but an open connection does not.
        self.close()
        return super().to_delivery_error(error)

    def clock(self) -> float | None:
        from redis.exceptions import RedisError

        try:
            seconds, microseconds = self.client().time()
        except RedisError as error:
            raise self.to_delivery_error(error) from None
        return float(seconds + microseconds / 1_000_000)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def describe_error(self, error: BaseException) -> str:
        return describe_error(error)

    def close(self) -> None:
        self._client.close()

    def client(self) -> Any:
        """Return this process's client, after checking the server once.

        :raises flask_chest.errors.DeliveryError: the server is too old.
        """
        client = self._client.get()
        if not self._ready:
            self._check_server(client)
            self._ready = True
        return client

    def _make_client(self) -> Any:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._ready = False
        return Redis(
            host=self.address.host or "localhost",
            port=self._port,
            db=self.database,
            username=self.address.username or None,
            password=self.address.password or None,
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            # No retries here: delivery retries, with backoff.
            retry=Retry(NoBackoff(), 0),
            **self._tls,
        )

    def _check_server(self, client: Any) -> None:
        about = _ask_server(client.info)
        self.check_version(str(about.get("redis_version", "")))
        config = _ask_server(client.config_get, "proto-max-bulk-len")
        self._max_value_bytes = int(config.get("proto-max-bulk-len", _MAX_VALUE_BYTES))
        policy = str(about.get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            self.logger.warning(
                self.error_message(
                    f"maxmemory-policy is {policy!r}: Redis may drop the whole stream for want of "
                    "memory",
                    "set it to 'noeviction' or one of 'volatile-...'",
                )
            )

    def check_version(self, version: str) -> None:
        """Check that the chest and the relay can use a server of this version.

        :raises flask_chest.errors.DeliveryError: the version is too old.
        """
        found = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if found and found < _OLDEST:
            raise self.unavailable(f"Redis {version} is too old", "run Redis 7 or newer")

    def _send(self, client: Any, lines: Sequence[bytes]) -> list[Any]:
        if not lines:
            return []
        pipeline = client.pipeline(transaction=False)
        for part in _calls(lines):
            pairs = [each for line in part for each in (_id_of(line), line)]
            pipeline.eval(_ADD, 3, *self.keys, self.maxlen, self.window, *pairs)
        retention = None if self.app_info is None else self.app_info.retention_seconds
        if retention is not None:
            oldest = max(0, int((time.time() - retention) * 1000))
            pipeline.xtrim(self.stream, minid=oldest, approximate=False)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _reject(self, lines: Sequence[bytes]) -> None:
        if lines:
            size = max(map(len, lines))
            reason = f"{size} bytes are more than this server takes as one value"
            remedy = (
                f"its proto-max-bulk-len is {self._max_value_bytes}; see CHEST_MAX_RECORD_BYTES"
            )
            raise RejectedError(
                self.error_message(reason, remedy),
                record_ids=[_id_of(line).decode() for line in lines],
            )


def _ask_server(command: Callable[..., Any], *arguments: str) -> dict[str, Any]:
    """Return a server's answer about itself, or an empty dict if this user lacks permission."""
    from redis.exceptions import ResponseError

    try:
        answer: dict[str, Any] = command(*arguments)
    except ResponseError:
        return {}
    return answer


def _calls(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for part in split_lines(lines, _CALL_BYTES):
        rest = iter(part)
        while call := list(islice(rest, _CALL_RECORDS)):
            yield call


def _id_of(line: bytes) -> bytes:
    if line.startswith(_LINE_START):
        return line[len(_LINE_START) : line.index(b'"', len(_LINE_START))]
    # Another writer's line, with its names in another order.
    found: str = loads(line)["id"]
    return found.encode()


def _database(path: str) -> int:
    if not path:
        return 0
    if not path.isdecimal():
        raise ConfigError(f"the database {path!r} is no number; expected redis://host:6379/0")
    return int(path)


def _number(name: str, given: object, query: Mapping[str, str], default: int) -> int:
    value = query.get(name, default) if given is None else given
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} {value!r}: expected a whole number above 0")
    return value


def _tls_options(query: Mapping[str, str], scheme: str) -> dict[str, Any]:
    known = ("stream", "maxlen", "window", *_TLS)
    for name in query:
        if name not in known:
            advice = suggest_name(name, known)
            raise ConfigError(f"the {scheme} URL has an unknown option {name!r}; {advice}")
    given = {name: query[name] for name in _TLS if name in query}
    if scheme == "redis":
        if given:
            raise ConfigError(f"{next(iter(given))!r} is for TLS: 'rediss://'")
        return {}
    # Older versions of redis-py do not check the host name in the certificate by default.
    checked = given.get("ssl_cert_reqs") != "none"
    return {"ssl": True, "ssl_check_hostname": checked, **given}
