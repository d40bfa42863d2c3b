"""The chest for InfluxDB 2, and for other servers with its ``/api/v2/write``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...config import value_types
from ...config.settings_validation import check_argument
from ...errors import ConfigError, DeliveryError, RejectedError
from ...record.json_line import loads
from ...record.record import Record
from ..base import Chest
from ..batch_bodies import to_lines
from ..drivers import require_driver
from ..error_messages import CHECK_ADDRESS, describe_cause
from ..http.client import check_verify
from ..http.header_check import check_header_value
from ..http.response import parse_retry_after
from ..per_process_client import PerProcessClient
from ..url import StoreURL
from .line_protocol import LineEncoder
from .response import WriteResult, find_bad_lines, find_conflict

_REMEDIES = {
    401: "check the token",
    403: "give the token the right to write to this bucket",
    404: "create this organization and bucket, or name others",
}
_BAD_LINES = {400, 422}
_UNTRUSTED = "set 'verify' to the file of the CA that signed the certificate"
_TOO_LARGE = 413
# A response names one conflict, so a batch is sent again for each. A batch with more is rejected.
_MAX_CONFLICTS = 20


class _Connection(NamedTuple):
    client: Any
    write_api: Any

    def close(self) -> None:
        self.client.close()


class FlaskChestInfluxDB(Chest):
    """Writes one point per record to a bucket of InfluxDB 2.

    Tags are ``custom_tags``, ``CHEST_TAGS``, method, route, endpoint and status. Fields are the
    variables, ``duration_ms``, ``request_id``, and ``error`` and ``sample_rate`` if they are set. A
    server refuses a field whose type changes, for example from number to text. The chest writes
    such values to a second field: ``total_string`` beside ``total``.

    :param host: the server; or give ``url``.
    :param port: the server's port.
    :param token: an API token that may write to the bucket.
    :param org: the organization.
    :param bucket: the bucket; it must exist.
    :param custom_tags: tags of every point.
    :param measurement: the measurement of every point.
    :param https: whether to use TLS, if ``host`` is given.
    :param url: e.g. ``"https://host:8086"``, in place of ``https``, ``host`` and ``port``.
    :param verify: ``True``, or the file of the private CA that signed the server's certificate.
    :raises flask_chest.errors.ConfigError: the address or the measurement is wrong.

    .. versionadded:: 1.0
    """

    scheme = "influxdb"
    shareable = True

    def __init__(
        self,
        host: str = "localhost",
        port: int | str = 8086,
        token: str = "",
        org: str = "my-org",
        bucket: str = "my-bucket",
        custom_tags: Mapping[str, Any] | None = None,
        measurement: str = "flask_chest",
        https: bool = False,
        url: str | None = None,
        verify: bool | str = True,
        **arguments: Any,
    ) -> None:
        require_driver("influxdb_client", "all")
        host = check_argument("host", host, value_types.text)  # version 0.0.x took the app first
        self.url = url or f"{'https' if https else 'http'}://{host}:{port}"
        self.address = StoreURL.parse(self.url)
        if self.address.scheme not in {"http", "https"}:
            raise ConfigError("'url' must begin with 'https://' or 'http://'")
        check_header_value("token", token)
        verify = check_verify(verify)
        if not measurement or measurement[0] in "#_":
            raise ConfigError(f"measurement {measurement!r}: begin with a letter")
        super().__init__(**arguments)
        self.token, self.org, self.bucket = token, org, bucket
        self.measurement = measurement
        self._verify = verify
        self._encoder = LineEncoder(measurement, custom_tags or {})
        self._connection = PerProcessClient(self._open_connection)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestInfluxDB:
        """``influxdb://:TOKEN@host:8086/org/bucket``, or ``influxdb+https://`` for TLS.

        The parameters ``measurement`` and ``verify`` may follow after a ``?``.
        """
        address = StoreURL.parse(url)
        org, _, bucket = address.path.partition("/")
        if not bucket or "/" in bucket:
            raise ConfigError(
                "an InfluxDB URL ends in organization and bucket: host:8086/org/bucket"
            )
        address.require_known_parameters({"measurement", "verify"})
        https = address.scheme == "influxdb+https"
        given = {
            "host": address.host or "localhost",
            "port": address.port or (443 if https else 8086),
            "token": address.password or address.username,
            "org": org,
            "bucket": bucket,
            "https": https,
        }
        return cls(**{**given, **address.query, **arguments})

    def describe(self) -> str:
        return f"{self.address.scheme}://{self.address.hosts}/{self.org}/{self.bucket}"

    def location(self) -> str:
        return f"{self.describe()} {self.measurement}"

    def secrets(self) -> tuple[str, ...]:
        return (self.token, *self.address.secrets())

    def remedy(self, error: BaseException) -> str:
        return _UNTRUSTED if _is_untrusted(error) else CHECK_ADDRESS

    def describe_error(self, error: BaseException) -> str:
        return describe_cause(error)

    def write(self, records: Sequence[Record]) -> None:
        rejected: dict[str, str] = {}
        self._write_lines(to_lines(records), rejected)
        if rejected:
            reason = next(iter(rejected.values()))
            raise RejectedError(self.error_message(reason), record_ids=rejected)

    def check(self) -> None:
        # A request without lines: the server checks the credentials and the bucket and stores
        # nothing. Some servers respond with 400.
        result = self._post(b"")
        if result.status >= 300 and result.status != 400:
            raise self._unavailable(result)

    def close(self) -> None:
        self._connection.close()

    def _write_lines(self, records: Sequence[bytes], rejected: dict[str, str]) -> None:
        """Write encoded records; add the id and the reason of each rejected one to ``rejected``.

        A record that is sent twice overwrites its own point.
        """
        for _ in range(_MAX_CONFLICTS):
            if not records:
                return
            lines = self._encoder.encode(records)
            result = self._post(b"\n".join(lines))
            if result.status < 300:
                return
            if result.status == _TOO_LARGE:
                self._halve(records, result, rejected)
                return
            if result.status not in _BAD_LINES and not result.drops_points:
                raise self._unavailable(result)
            conflict = find_conflict(result.body)
            if conflict is not None and self._encoder.move(*conflict):
                continue
            bad = find_bad_lines(result.body, lines)
            if not bad:
                break
            # Some servers stored the other lines and some did not, so they are sent again.
            rejected |= {_id(records[index]): result.summarize() for index in bad}
            records = [record for index, record in enumerate(records) if index not in bad]
        self._reject_all(records, result.summarize(), rejected)

    def _reject_all(self, records: Sequence[bytes], reason: str, rejected: dict[str, str]) -> None:
        if len(records) > 1:
            # The server does not name the bad line, so delivery halves the batch to find it.
            raise RejectedError(self.error_message(reason))
        rejected |= {_id(record): reason for record in records}

    def _halve(
        self, records: Sequence[bytes], result: WriteResult, rejected: dict[str, str]
    ) -> None:
        if len(records) == 1:
            rejected[_id(records[0])] = result.summarize()
            return
        middle = len(records) // 2
        self._write_lines(records[:middle], rejected)
        self._write_lines(records[middle:], rejected)

    def _post(self, body: bytes) -> WriteResult:
        with self.converted_errors():
            result = self._send(body)
        if result.status >= 300:
            self.log_detail(result.quote())
        return result

    def _send(self, body: bytes) -> WriteResult:
        from influxdb_client.rest import ApiException

        try:
            write_api = self._connection.get().write_api
            write_api.write(bucket=self.bucket, org=self.org, record=body)
        except ApiException as error:
            if not error.status:
                raise  # no response came
            headers: Any = error.headers or {}
            retry_after = parse_retry_after(headers.get("Retry-After"))
            return WriteResult(int(error.status), str(error.body or error.reason), retry_after)
        return WriteResult(204, "", None)

    def _open_connection(self) -> _Connection:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        client = InfluxDBClient(
            url=self.url,
            token=self.token,
            org=self.org,
            timeout=int(self.timeout * 1000),
            ssl_ca_cert=self._verify if isinstance(self._verify, str) else None,
        )
        return _Connection(client, client.write_api(write_options=SYNCHRONOUS))

    def _unavailable(self, result: WriteResult) -> DeliveryError:
        remedy = _REMEDIES.get(result.status, "")
        return self.unavailable(result.summarize(), remedy, retry_after=result.retry_after)


def _id(record: bytes) -> str:
    identity: str = loads(record)["id"]
    return identity


def _is_untrusted(error: BaseException) -> bool:
    # The client raises it without a status if TLS fails, and urllib3 raises its own.
    return "certificate" in str(error).lower() or "SSL" in str(error)
