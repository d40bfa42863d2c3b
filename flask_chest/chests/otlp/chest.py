"""OpenTelemetry: whatever takes logs by OTLP over HTTP, its collector first of all."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..._throttle import LogThrottle
from ...errors import ConfigError, DeliveryError, RejectedError
from ...record.record import Record
from ..base import Chest
from ..batches import to_lines
from ..client import require_driver
from ..http.client import CREDENTIALS, HTTPClient, check_timeout, check_verify
from ..http.response import Response
from ..url import StoreURL, digest
from .log_records import LogEncoder
from .response import Outcome, read_outcome, told

_PATH = "/v1/logs"
# https://opentelemetry.io/docs/specs/otlp/#otlphttp-default-port; what is reached over the internet
# is behind https's own.
_PORTS = {"http": 4318, "https": 443}
_TYPE = "application/x-protobuf"
_COMPRESSIONS = ("gzip", "none")
_PARAMETERS = {"compression", "verify"}
# The address is wrong, or what is there takes no protobuf: not the records are at fault.
_MISPLACED = {404, 405, 406, 415}
_RETRY = {408, 425, 429}
_TOO_LARGE = 413
_ROOMIER = "raise the collector's 'max_request_body_size', or the limit of what is in front of it"


class FlaskChestOTLP(Chest):
    """One log record of OpenTelemetry per record, sent to a collector by OTLP over HTTP.

    A request is an event, ``chest.request``, with attributes by OpenTelemetry's conventions for
    HTTP, and the variables by their own names. ``log.record.uid`` is the record's id.

    :param url: the collector, ``"http://collector:4318"`` say; ``/v1/logs`` is added to its path.
    :param headers: headers of each request, e.g. a vendor's key.
    :param resource: attributes of the resource; those of ``CHEST_TAGS`` and ``service.name``, the
        app's name, are there without it.
    :param compression: ``"gzip"`` or ``"none"``.
    :param verify: ``True``, or the file of the private CA that signed the collector's certificate.
    :param timeout: seconds for one request; default: ``CHEST_EXPORT_TIMEOUT``.
    :raises flask_chest.errors.ConfigError: opentelemetry-proto is not installed, or the address or
        an option cannot be.

    .. versionadded:: 1.0
    """

    scheme = "otlp"

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        resource: Mapping[str, Any] | None = None,
        compression: str = "none",
        verify: bool | str = True,
        timeout: float | None = None,
        **arguments: Any,
    ) -> None:
        require_driver("opentelemetry.proto", "otlp")
        self.url = _endpoint(url)
        self.address = StoreURL.parse(self.url)
        verify = check_verify(verify)
        if compression not in _COMPRESSIONS:
            raise ConfigError(f"compression {compression!r}: expected 'gzip' or 'none'")
        super().__init__(**arguments)
        self._compresses = compression == "gzip"
        self._own_timeout = check_timeout(timeout)
        self._encoder = LogEncoder(_plain(resource or {}))
        self._own_headers = dict(headers or {})
        sent = {"Content-Type": _TYPE, "Accept": _TYPE, **self._own_headers}
        if self._compresses:
            sent["Content-Encoding"] = "gzip"
        self._client = HTTPClient(self, self.url, sent, {"verify": verify})
        self._log = LogThrottle(self.logger)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestOTLP:
        """``otlp+http://collector:4318``, or ``otlp+https://`` for TLS.

        ``compression`` and ``verify`` may follow after a ``?``.
        """
        query = StoreURL.parse(url).query
        unknown = query.keys() - _PARAMETERS
        if unknown:
            known = ", ".join(sorted(_PARAMETERS))
            raise ConfigError(f"unknown URL parameter {min(unknown)!r}; known: {known}")
        plain = urlunsplit(urlsplit(url.removeprefix("otlp+"))._replace(query=""))
        return cls(plain, **{**query, **arguments})

    def describe(self) -> str:
        # Not the path: of some vendors it holds the key.
        return f"otlp+{self.address.scheme}://{self.address.hosts}"

    def location(self) -> str:
        return f"{self.describe()} {digest(self.address.path)}"

    def secrets(self) -> tuple[str, ...]:
        return (self.address.password, *map(str, self._own_headers.values()))

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        lines = to_lines(records)
        self._judge(self._post(lines), records)

    def check(self) -> None:
        # No record at all: credentials and address are looked at, and nothing is stored.
        answer = self._post([])
        if answer.status != 400:
            self._judge(answer, [])

    def close(self) -> None:
        self._client.close()

    def _post(self, lines: Sequence[bytes]) -> Response:
        app_name = "" if self.app_info is None else self.app_info.app_name
        body = self._encoder.encode(lines, app_name)
        if self._compresses:
            body = gzip.compress(body, compresslevel=1, mtime=0)
        timeout = self.timeout if self._own_timeout is None else self._own_timeout
        return self._client.send("POST", body, {}, timeout)

    def _judge(self, answer: Response, records: Sequence[Record]) -> None:
        if 200 <= answer.status < 300:
            self._look_closer(answer, records)
            return
        reason = told(answer)
        if answer.status in CREDENTIALS:
            raise DeliveryError(self.error_message(reason, "check the credentials in 'headers'"))
        if answer.status in _RETRY or answer.status >= 500:
            raise DeliveryError(self.error_message(reason), retry_after=answer.retry_after)
        if answer.status < 400:
            remedy = f"redirects are not followed; set 'url' to where it is now{answer.moved_to()}"
            raise DeliveryError(self.error_message(reason, remedy))
        if answer.status in _MISPLACED:
            remedy = "set 'url' to where the collector takes OTLP over HTTP, without its /v1/logs"
            raise DeliveryError(self.error_message(reason, remedy))
        # Nothing of the batch was taken: delivery halves it, too, where it is too large.
        blamed = [records[0].id] if len(records) == 1 else None
        remedy = _ROOMIER if answer.status == _TOO_LARGE else ""
        raise RejectedError(self.error_message(reason, remedy), record_ids=blamed)

    def _look_closer(self, answer: Response, records: Sequence[Record]) -> None:
        outcome = read_outcome(answer)
        if outcome is None:
            remedy = "what answers there is no OTLP collector; set 'url' to where that is"
            raise DeliveryError(self.error_message(told(answer), remedy))
        if outcome.rejected:
            self._reject(outcome, records)
        if outcome.message:
            self._log.warning("told", "%s", self.error_message(f"it says: {outcome.message}"))

    def _reject(self, outcome: Outcome, records: Sequence[Record]) -> None:
        count = outcome.rejected
        if count >= len(records):
            reason = self.error_message(f"it rejected the record: {outcome.message}")
            raise RejectedError(reason, record_ids=[record.id for record in records])
        # https://opentelemetry.io/docs/specs/otlp/#partial-success-1: it "MUST NOT" be sent again.
        reason = f"it rejected {count} of {len(records)} and does not say which: {outcome.message}"
        raise RejectedError(self.error_message(reason), unnamed=count)


def _plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in resource.items():
        if not isinstance(value, (str, bool, int, float)):
            raise ConfigError(f"resource: {name!r} is {value!r}; expected text, number or boolean")
    return dict(resource)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ConfigError("'url' must begin with 'https://' or 'http://'")
    address = StoreURL.parse(url)
    if not address.host:
        raise ConfigError("an OTLP URL names the collector: otlp+http://collector:4318")
    if parts.query:
        raise ConfigError("'url' ends before the '?'")
    port = "" if address.port else f":{_PORTS[parts.scheme]}"
    path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
    return urlunsplit((parts.scheme, parts.netloc.rstrip(":") + port, path, "", ""))
