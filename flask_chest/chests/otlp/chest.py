"""The chest for OpenTelemetry: sends log records to a collector by OTLP over HTTP."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..._throttle import LogThrottle
from ...errors import ConfigError, RejectedError
from ...record.record import Record
from ..base import Chest
from ..batch_bodies import blamed_ids, to_lines
from ..drivers import require_driver
from ..http.client import HTTPClient, check_timeout, check_verify, remedy_for
from ..http.header_check import check_headers
from ..http.response import Response
from ..url import StoreURL, digest
from .log_records import LogEncoder
from .response import Outcome, read_outcome, summarize
from .spans import SpanEncoder

_PATH, _TRACES_PATH = "/v1/logs", "/v1/traces"
_NO_SPANS = "let the collector take traces, or leave 'spans' off"
# https://opentelemetry.io/docs/specs/otlp/#otlphttp-default-port; services on the internet use the
# port of https.
_PORTS = {"http": 4318, "https": 443}
_TYPE = "application/x-protobuf"
_COMPRESSIONS = ("gzip", "none")
_PARAMETERS = {"compression", "verify"}
# The URL is wrong, or the server there accepts no protobuf. The records are not the cause.
_WRONG_URL = {404, 405, 406, 415}
_TOO_LARGE = 413
_RAISE_LIMIT = (
    "raise the collector's 'max_request_body_size', or the limit of the proxy in front of it"
)


class FlaskChestOTLP(Chest):
    """Sends one log record of OpenTelemetry per record to a collector, by OTLP over HTTP.

    A request is the event ``chest.request``. Its attributes follow OpenTelemetry's conventions for
    HTTP, and each variable is an attribute of the same name. ``log.record.uid`` is the record's id.

    :param url: the collector, e.g. ``"http://collector:4318"``; ``/v1/logs`` is added to its path.
    :param headers: headers of each request, e.g. a vendor's key.
    :param resource: further attributes of the resource, beside ``CHEST_TAGS`` and the app's name as
        ``service.name``.
    :param spans: whether to send each record that belongs to a trace as a span, too.
    :param compression: ``"gzip"`` or ``"none"``.
    :param verify: ``True``, or the file of the private CA that signed the collector's certificate.
    :param timeout: seconds for one request; default: ``CHEST_EXPORT_TIMEOUT``.
    :raises flask_chest.errors.ConfigError: opentelemetry-proto is not installed, or the address or
        an option is wrong.

    .. versionadded:: 1.0
    """

    scheme = "otlp"

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        resource: Mapping[str, Any] | None = None,
        spans: bool = False,
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
        check_headers(headers or {})
        super().__init__(**arguments)
        self._compresses = compression == "gzip"
        self._own_timeout = check_timeout(timeout)
        self._encoder = LogEncoder(_check_resource(resource or {}))
        self._own_headers = dict(headers or {})
        sent = {"Content-Type": _TYPE, "Accept": _TYPE, **self._own_headers}
        if self._compresses:
            sent["Content-Encoding"] = "gzip"
        self._client = HTTPClient(self, self.url, sent, {"verify": verify})
        self._spans: SpanEncoder | None = None
        if spans:
            self._spans = SpanEncoder(_check_resource(resource or {}))
            traces_url = self.url.removesuffix(_PATH) + _TRACES_PATH
            self._traces_client = HTTPClient(self, traces_url, sent, {"verify": verify})
        self._log = LogThrottle(self.logger)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestOTLP:
        """``otlp+http://collector:4318``, or ``otlp+https://`` for TLS.

        The parameters ``compression`` and ``verify`` may follow after a ``?``.
        """
        address = StoreURL.parse(url)
        address.require_known_parameters(_PARAMETERS)
        endpoint = urlunsplit(urlsplit(url.removeprefix("otlp+"))._replace(query=""))
        return cls(endpoint, **{**address.query, **arguments})

    def describe(self) -> str:
        # Without the path: some vendors have the key there.
        return f"otlp+{self.address.scheme}://{self.address.hosts}"

    def location(self) -> str:
        return f"{self.describe()} {digest(self.address.path)}"

    def secrets(self) -> tuple[str, ...]:
        return (*self.address.secrets(), urlsplit(self.url).path, *self._own_headers.values())

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def describe_error(self, error: BaseException) -> str:
        return self._client.describe_error(error)

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        lines = to_lines(records)
        if self._spans is not None:
            self._send_spans(self._spans, lines)
        self._raise_for_response(self._post(lines), records)

    def check(self) -> None:
        # A request without records: the collector checks the credentials and stores nothing.
        response = self._post([])
        if response.status != 400:
            self._raise_for_response(response, [])

    def close(self) -> None:
        self._client.close()
        if self._spans is not None:
            self._traces_client.close()

    def _send_spans(self, encoder: SpanEncoder, lines: Sequence[bytes]) -> None:
        """Send the spans of a batch. A collector that refuses them still gets the log records."""
        body = encoder.encode(lines, self._app_name)
        if body is None:
            return
        response = self._send(self._traces_client, body)
        if 200 <= response.status < 300:
            return
        reason = summarize(response)
        self._traces_client.raise_if_temporary(response, reason)
        message = self.error_message(f"it refused the spans: {reason}", _NO_SPANS)
        self._log.warning("spans", "%s", message)

    def _post(self, lines: Sequence[bytes]) -> Response:
        return self._send(self._client, self._encoder.encode(lines, self._app_name))

    def _send(self, client: HTTPClient, body: bytes) -> Response:
        if self._compresses:
            body = gzip.compress(body, compresslevel=1, mtime=0)
        timeout = self.timeout if self._own_timeout is None else self._own_timeout
        return client.send("POST", body, {}, timeout)

    @property
    def _app_name(self) -> str:
        return "" if self.app_info is None else self.app_info.app_name

    def _raise_for_response(self, response: Response, records: Sequence[Record]) -> None:
        if 200 <= response.status < 300:
            self._raise_for_outcome(response, records)
            return
        reason = summarize(response)
        self._client.raise_if_temporary(response, reason)
        if response.status in _WRONG_URL:
            remedy = "set 'url' to where the collector takes OTLP over HTTP, without its /v1/logs"
            raise self.unavailable(reason, remedy)
        # The collector took no record of the batch. Delivery halves a batch that is too large, too.
        remedy = _RAISE_LIMIT if response.status == _TOO_LARGE else ""
        message = self.error_message(reason, remedy)
        raise RejectedError(message, record_ids=blamed_ids(records))

    def _raise_for_outcome(self, response: Response, records: Sequence[Record]) -> None:
        outcome = read_outcome(response)
        if outcome is not None and outcome.message:
            self.log_detail(outcome.message)
        if outcome is None:
            remedy = "the server there is no OTLP collector; set 'url' to the collector"
            raise self.unavailable(summarize(response), remedy)
        if outcome.rejected:
            self._reject(outcome, records)
        if outcome.message:
            remedy = "the log has its words at level DEBUG"
            message = self.error_message(
                "the collector accepted the records with a warning", remedy
            )
            self._log.warning("warning", "%s", message)

    def _reject(self, outcome: Outcome, records: Sequence[Record]) -> None:
        count = outcome.rejected
        if count >= len(records):
            reason = self.error_message("it rejected the record")
            raise RejectedError(reason, record_ids=[record.id for record in records])
        # Clients "MUST NOT" send such a batch again:
        # https://opentelemetry.io/docs/specs/otlp/#partial-success-1
        reason = f"it rejected {count} of {len(records)} and does not say which"
        raise RejectedError(self.error_message(reason), unnamed=count)


def _check_resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in resource.items():
        if not isinstance(value, (str, bool, int, float)):
            # The message does not quote the value, which may hold a key.
            kind = type(value).__name__
            raise ConfigError(
                f"resource: {name!r} is of type {kind!r}; expected text, number or boolean"
            )
    return dict(resource)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ConfigError("'url' must begin with 'https://' or 'http://'")
    address = StoreURL.parse(url)
    address.require_host("otlp+http://collector:4318")
    if parts.query:
        raise ConfigError("'url' must not have a '?'; give parameters as arguments")
    port = "" if address.port else f":{_PORTS[parts.scheme]}"
    path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
    return urlunsplit((parts.scheme, parts.netloc.rstrip(":") + port, path, "", ""))
