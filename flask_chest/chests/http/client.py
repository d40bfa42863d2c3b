"""Sends HTTP requests over kept connections, each within a deadline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...config import value_types
from ...config.settings_validation import check_argument
from ...errors import ConfigError
from ..base import Chest
from ..error_messages import CHECK_ADDRESS, describe_cause
from ..per_process_client import PerProcessClient
from ..url import StoreURL
from .response import Response, read_response

if TYPE_CHECKING:
    import requests

#: Statuses that mean wrong credentials: the records wait until the user corrects them.
CREDENTIALS = frozenset({401, 403, 407})

_RETRY = frozenset({408, 425, 429})
_TIMEOUT = value_types.optional(value_types.number(0, above=True))
# Booleans in a URL.
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def check_verify(verify: bool | str) -> bool | str:
    """Check the ``verify`` argument of a chest that always checks certificates.

    :param verify: ``True``, a word for it such as ``"yes"``, or the file of a CA.
    :returns: ``True`` or the file.
    :raises ConfigError: it is neither.
    """
    word = str(verify).lower()
    if word in _FALSE or not word:
        raise ConfigError("'verify' is True, or the file of the CA that signed the certificate")
    return True if word in _TRUE else verify


def check_timeout(timeout: float | None) -> float | None:
    """Check the ``timeout`` argument of a chest: seconds for one request.

    :raises ConfigError: it is not a number above 0.
    """
    checked: float | None = check_argument("timeout", timeout, _TIMEOUT)
    return checked


class HTTPClient:
    """Sends the requests of a chest; each process has its own connections.

    :param chest: the chest that error messages name.
    :param url: the endpoint.
    :param headers: headers of each request.
    :param settings: ``params``, ``proxies`` and ``verify``, as for ``requests``.
    """

    def __init__(
        self, chest: Chest, url: str, headers: Mapping[str, str], settings: Mapping[str, Any]
    ) -> None:
        self._chest = chest
        self.url = url
        self.headers = headers
        self._settings = settings
        self._session = PerProcessClient(self._open_session)

    def send(
        self, method: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Response:
        """Send one request and read the response.

        :param headers: further headers of this request.
        :param timeout: seconds.
        :raises DeliveryError: no response came.
        """
        with (
            self._chest.converted_errors(),
            self._session.get().request(
                method,
                self.url,
                data=body,
                headers=dict(headers),
                timeout=timeout,
                # Another host must not get the credentials and the values of the app's users.
                allow_redirects=False,
                stream=True,
                **self._settings,
            ) as response,
        ):
            found = read_response(response, timeout)
        if found.status >= 300:
            self._chest.log_detail(found.quote())
        return found

    def raise_if_temporary(self, response: Response, reason: str) -> None:
        """Raise an error for a status that is not caused by the records.

        :param reason: a description of the response.
        :raises DeliveryError: the server is busy or failed, refuses the credentials, or redirects.
        """
        if response.status in _RETRY or response.status >= 500:
            raise self._chest.unavailable(reason, retry_after=response.retry_after)
        if response.status in CREDENTIALS:
            remedy = "check the credentials in 'headers'"
            raise self._chest.unavailable(reason, remedy)
        if 300 <= response.status < 400:
            host = response.redirect_host
            where = f" and redirected to {host}" if host else ""
            remedy = "redirects are not followed; set 'url' to the new address"
            raise self._chest.unavailable(reason + where, remedy)

    def describe_error(self, error: BaseException) -> str:
        """Describe an error of :meth:`send`, without the text of the server."""
        verify = self._settings["verify"]
        if type(error) is OSError and error.errno is None and isinstance(verify, str):
            # requests raises it, without a number.
            return f"OSError: there is no file {verify}"
        return describe_cause(error)

    def close(self) -> None:
        """Close the connections. A later :meth:`send` opens new ones."""
        self._session.close()

    def _open_session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers.update(self.headers)
        # With an authentication of its own, requests does not replace the Authorization header by
        # the password that ~/.netrc has for this host. The environment's proxies are still used.
        session.auth = self._authenticate
        if urlsplit(self.url).scheme == "https" and self._settings["verify"] is False:
            self._warn_of_unchecked_certificate()
        return session

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        from requests.auth import HTTPBasicAuth

        address = StoreURL.parse(self.url)
        if not address.username and not address.password:
            return request
        basic = HTTPBasicAuth(address.username.encode(), address.password.encode())
        authenticated: requests.PreparedRequest = basic(request)
        return authenticated

    def _warn_of_unchecked_certificate(self) -> None:
        from urllib3.exceptions import InsecureRequestWarning

        self._chest.logger.warning(
            "chest %r at %s: its certificate is not checked; set 'verify' to True, or to the file "
            "of your CA",
            self._chest.name,
            self._chest.describe(),
        )
        # One warning is enough; urllib3 would repeat it for each request.
        warnings.filterwarnings(
            "ignore",
            f"Unverified HTTPS request is being made to host '{urlsplit(self.url).hostname}'",
            InsecureRequestWarning,
        )


def remedy_for(error: BaseException) -> str:
    """Return what a user can do if no response came."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return "set 'verify' to the file of the CA that signed the server's certificate"
    if isinstance(error, requests.Timeout):
        return "check that the server keeps up, or raise CHEST_EXPORT_TIMEOUT"
    if isinstance(error, requests.RequestException):
        return CHECK_ADDRESS
    # requests opens the file of the CA before it sends anything.
    return "set 'verify' to a file that exists" if isinstance(error, OSError) else ""
