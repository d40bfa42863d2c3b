"""How the chests that speak HTTP do so: over kept connections, within a deadline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...config import validators as checks
from ...config.settings import check_argument
from ...errors import ConfigError, DeliveryError
from ..base import Chest
from ..client import CHECK_ADDRESS, PerProcessClient
from .response import Response, read_answer

if TYPE_CHECKING:
    import requests

#: Not the records are at fault, but what the chest was told: they wait until that is put right.
CREDENTIALS = frozenset({401, 403, 407})


_TIMEOUT = checks.optional(checks.number(0, above=True))
# As they stand in a URL.
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def check_verify(verify: bool | str) -> bool | str:
    """How a certificate is checked that always is.

    :param verify: ``True``, or the file of a CA.
    :returns: the same, with ``True`` for the word.
    :raises ConfigError: it is neither.
    """
    word = str(verify).lower()
    if word in _NO or not word:
        raise ConfigError("'verify' is True, or the file of the CA that signed the certificate")
    return True if word in _YES else verify


def check_timeout(timeout: float | None) -> float | None:
    """Seconds that one request may take, where a chest says so itself.

    :raises ConfigError: it is no number above 0.
    """
    found: float | None = check_argument("timeout", timeout, _TIMEOUT)
    return found


class HTTPClient:
    """Sends a chest's requests; each process has connections of its own.

    :param chest: whose errors these are.
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
        """Send one request, and read what is answered.

        :param headers: those of this request alone.
        :param timeout: seconds.
        :raises DeliveryError: no answer came.
        """
        import requests

        try:
            with self._session.get().request(
                method,
                self.url,
                data=body,
                headers=dict(headers),
                timeout=timeout,
                # Another host has no business with our headers and our users' values.
                allow_redirects=False,
                stream=True,
                **self._settings,
            ) as response:
                return read_answer(response, timeout)
        except requests.RequestException as error:
            raise DeliveryError(self._chest.error_message(_reason(error), _remedy(error))) from None
        except OSError as error:
            # Before anything is sent, requests looks for the file of the CA.
            remedy = "name a file that is there as 'verify'"
            raise DeliveryError(self._chest.error_message(error, remedy)) from None

    def close(self) -> None:
        """Close the connections. A later :meth:`send` opens new ones."""
        self._session.close()

    def _open_session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers.update(self.headers)
        if urlsplit(self.url).scheme == "https" and self._settings["verify"] is False:
            self._warn()
        return session

    def _warn(self) -> None:
        from urllib3.exceptions import InsecureRequestWarning

        self._chest.logger.warning(
            "chest %r at %s: its certificate is not checked; set 'verify' to True, or to the file "
            "of your CA",
            self._chest.name,
            self._chest.describe(),
        )
        # That was once; urllib3 would say so at each request.
        warnings.filterwarnings(
            "ignore",
            f"Unverified HTTPS request is being made to host '{urlsplit(self.url).hostname}'",
            InsecureRequestWarning,
        )


def _reason(error: requests.RequestException) -> str:
    # str(error) would hold the URL with its query.
    cause: Any = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    text = str(cause).rpartition(": ")[2] if "url:" in str(cause) else str(cause)
    return f"{type(error).__name__}: {text}"


def _remedy(error: requests.RequestException) -> str:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return "set 'verify' to the file of the CA that signed the server's certificate"
    if isinstance(error, requests.Timeout):
        return "see that it keeps up, or raise CHEST_EXPORT_TIMEOUT"
    return CHECK_ADDRESS
