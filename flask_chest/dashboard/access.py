"""Decides who may see the dashboard: by the app's check, the token, or debug mode on loopback."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response

from ..errors import ConfigError

#: The cookie of a logged-in browser, and the cookie that protects forms against CSRF.
SESSION_COOKIE, FORM_COOKIE = "chest_dashboard", "chest_dashboard_form"
#: Seconds until a login expires.
SESSION_SECONDS = 12 * 3600

AccessCheck = Callable[[], Any]
_LOCAL_NAMES = ("localhost", "localhost.localdomain")
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")


class Access:
    """The access check of one app's dashboard.

    :param app: the app.
    :param check: the app's own check. A true result grants access, a false one denies it; a
        response, such as a redirect to the app's login page, is returned as it is.
    :param token: ``CHEST_DASHBOARD_TOKEN``.
    :raises ConfigError: there is neither a check nor a token, and the app is not in debug mode.
    """

    def __init__(self, app: Flask, check: AccessCheck | None, token: str | None) -> None:
        if check is None and token is None and not app.debug:
            raise ConfigError(
                "CHEST_DASHBOARD: everyone would have access; set CHEST_DASHBOARD_TOKEN, or call "
                "chest.dashboard_access(fn) before chest.init_app(app). In debug mode (flask run "
                "--debug) neither is needed, and the dashboard is served on loopback only"
            )
        self._app = app
        self._check = check
        self._key = None if token is None else hashlib.sha256(token.encode()).digest()

    @property
    def uses_token(self) -> bool:
        """Whether users log in with the token."""
        return self._check is None and self._key is not None

    def authorize(self, request: Request) -> bool | Response:
        """Return whether a request may see the dashboard, or a response to send instead."""
        if self._check is not None:
            result = self._check()
            if result is None or isinstance(result, bool):
                return bool(result)
            return self._app.make_response(result)
        if self._key is not None:
            return self.is_signed(request.cookies.get(SESSION_COOKIE, ""), "session")
        return self._app.debug and is_local(request)

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token; the comparison takes the same time for every text."""
        given = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        return self._key is not None and hmac.compare_digest(given, self._key)

    def sign(self, purpose: str) -> str:
        """Return a random value with an expiry time, signed with the token.

        :param purpose: what the value is for; it is valid for nothing else.
        """
        body = f"{int(time.time()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._signature(body, purpose)}"

    def is_signed(self, value: str, purpose: str) -> bool:
        """Return whether :meth:`sign` made a value for this purpose and it has not expired."""
        body, _, signature = value.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body, purpose).encode()):
            return False
        return int(body.partition(".")[0]) > time.time()

    def _signature(self, body: str, purpose: str) -> str:
        return hmac.new(self._key or b"", f"{purpose}|{body}".encode(), "sha256").hexdigest()


def is_local(request: Request) -> bool:
    """Return whether a request comes directly from this machine, without a proxy.

    The ``Host`` header must name this machine, too. Otherwise another site could resolve its own
    name to the loopback address (DNS rebinding) and read the dashboard.
    """
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    if not address.is_loopback or any(name in request.headers for name in _PROXY_HEADERS):
        return False
    return host in _LOCAL_NAMES or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
