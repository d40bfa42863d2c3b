"""The chest for any HTTP endpoint that accepts JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from ...config import value_types
from ...config.settings_validation import check_argument
from ...errors import ConfigError, RejectedError
from ...record.record import Record
from ...typing import ContextTuple
from ..base import Chest
from ..batch_bodies import blamed_ids, context_tuples, to_lines
from ..drivers import require_driver
from ..url import StoreURL, digest
from .client import CREDENTIALS, HTTPClient, check_timeout, remedy_for
from .header_check import check_headers
from .response import Response

#: Makes the payload from ``[(variable_name, variable_value, request_id), ...]``.
PayloadGenerator = Callable[[list[ContextTuple]], Any]

_JSON = "application/json"


class FlaskChestCustomWriter(Chest):
    """POSTs each batch as JSON to an HTTP endpoint.

    ``payload_generator`` makes the payload from the batch's variables. Without a generator the
    payload is an array of records: objects with the fields of :class:`flask_chest.Record`, ``time``
    in microseconds since 1970 UTC. Each request has an ``Idempotency-Key``, which is the same for
    the same records, so that the endpoint can recognize a retry.

    :param url: the endpoint; or give ``https``, ``host`` and ``port``.
    :param https: whether to use TLS, if ``host`` is given.
    :param host: the endpoint's host, in place of ``url``.
    :param port: the endpoint's port; default: 80, or 443 with ``https``.
    :param headers: headers of each request.
    :param params: query parameters of each request.
    :param proxies: as for `requests
        <https://requests.readthedocs.io/en/latest/user/advanced/#proxies>`_.
    :param payload_generator: a function that gets ``[(variable_name, variable_value, request_id),
        ...]`` of the whole batch, in tracked order, and returns a value that JSON can represent.
    :param verify: whether the certificate is checked: ``True``, or the file of a private CA.
        ``False`` together with https logs one warning.
    :param success_status_codes: the statuses that mean "stored".
    :param timeout: seconds for one request; default: ``CHEST_EXPORT_TIMEOUT``.
    :raises flask_chest.errors.ConfigError: not exactly one of ``url`` and ``host`` is given, or an
        argument is wrong.

    .. versionadded:: 1.0
    """

    scheme = "http"
    shareable = True

    def __init__(
        self,
        url: str | None = None,
        https: bool = False,
        host: str | None = None,
        port: int | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        proxies: Mapping[str, str] | None = None,
        payload_generator: PayloadGenerator | None = None,
        verify: bool | str = False,
        success_status_codes: Iterable[int] = (200,),
        timeout: float | None = None,
        **arguments: Any,
    ) -> None:
        require_driver("requests", "all")
        self.url = _endpoint(url, https, host, port)
        self.address = StoreURL.parse(self.url)
        self.address.require_host("https://host/path")
        check_headers(headers or {})
        super().__init__(**arguments)
        self._settings: dict[str, Any] = {
            "params": dict(params or {}),
            "proxies": dict(proxies or {}),
            "verify": verify,
        }
        self._headers = {"Content-Type": _JSON, "Accept": _JSON, **(headers or {})}
        self._generate = check_argument(
            "payload_generator", payload_generator, value_types.optional(value_types.function)
        )
        self._success = _check_statuses(success_status_codes)
        self._own_timeout = check_timeout(timeout)
        self._client = HTTPClient(self, self.url, self._headers, self._settings)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestCustomWriter:
        """``https://host/path``; its certificate is checked unless ``verify`` is false."""
        return cls(url, **{"verify": True, **arguments})

    def describe(self) -> str:
        # Without path and query: many webhooks have their password there.
        return f"{self.address.scheme}://{self.address.hosts}"

    def location(self) -> str:
        return f"{self.describe()} {digest(self.address.path)}"

    def secrets(self) -> tuple[str, ...]:
        given = [*self._headers.values(), *self._settings["params"].values()]
        proxies = [_user_info(proxy) for proxy in self._settings["proxies"].values()]
        # Many webhooks have their password in the path.
        return (
            *self.address.secrets(),
            urlsplit(self.url).path,
            urlsplit(self.url).query,
            _user_info(self.url),
            *self.address.query.values(),
            *proxies,
            *(str(secret) for secret in given if secret != _JSON),
        )

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def describe_error(self, error: BaseException) -> str:
        return self._client.describe_error(error)

    def write(self, records: Sequence[Record]) -> None:
        if not records:
            return
        body = self._body(records)
        self._raise_for_response(self._send("POST", body, _idempotency_key(records)), records)

    def check(self) -> None:
        response = self._send("OPTIONS", None, None)
        if response.status in CREDENTIALS or response.status >= 500:
            remedy = "see 'headers' and the endpoint's log"
            raise self.unavailable(response.summarize(), remedy)

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, body: bytes | None, key: str | None) -> Response:
        timeout = self.timeout if self._own_timeout is None else self._own_timeout
        headers = {} if key is None else {"Idempotency-Key": key}
        return self._client.send(method, body, headers, timeout)

    def _raise_for_response(self, response: Response, records: Sequence[Record]) -> None:
        if response.status in self._success:
            return
        reason = response.summarize()
        self._client.raise_if_temporary(response, reason)
        if response.status < 300:
            remedy = f"if that means 'stored', add {response.status} to 'success_status_codes'"
            raise self.unavailable(reason, remedy)
        raise RejectedError(self.error_message(reason), record_ids=blamed_ids(records))

    def _body(self, records: Sequence[Record]) -> bytes:
        if self._generate is None:
            return b"[" + b",".join(to_lines(records)) + b"]"
        try:
            payload = self._generate(context_tuples(records))
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            remedy = "the payload generator raised it; the log has its text at level DEBUG"
            reason = self.error_message(error, remedy)
            raise RejectedError(reason, record_ids=blamed_ids(records)) from None
        try:
            return json.dumps(payload, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            reason = self.error_message(
                error, "JSON cannot represent the value that the payload generator returned"
            )
            raise RejectedError(reason, record_ids=blamed_ids(records)) from None


def _endpoint(url: str | None, https: bool, host: str | None, port: int | str | None) -> str:
    if (url is None) == (host is None):
        raise ConfigError("give either 'url' or 'host' (with 'https' and 'port')")
    if host is not None:
        netloc = host if port is None else f"{host}:{port}"
        return f"{'https' if https else 'http'}://{netloc}/"
    assert url is not None
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError("'url' must begin with 'https://' or 'http://'")
    return url


def _user_info(url: str) -> str:
    """Return user and password of a URL, decoded; a user alone may be a token."""
    return unquote(urlsplit(url).netloc.rpartition("@")[0])


def _check_statuses(codes: Iterable[int]) -> frozenset[int]:
    statuses = frozenset(codes) if isinstance(codes, Iterable) else frozenset()
    if not statuses or not all(isinstance(each, int) for each in statuses):
        raise ConfigError(
            f"success_status_codes {value_types.describe_value(codes)}: expected HTTP statuses, "
            "e.g. [200, 202]"
        )
    return statuses


def _idempotency_key(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.id.encode())
    return digest.hexdigest()[:32]
