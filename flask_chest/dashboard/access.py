"""Who may look: those whom the app lets in, who has the token, who debugs on this machine."""

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

#: The cookies of a browser that showed the token, and of one that is about to.
COOKIE, FORM_COOKIE = "chest_dashboard", "chest_dashboard_form"
#: Seconds after which the token is asked for again.
LASTS = 12 * 3600

AccessCheck = Callable[[], Any]
_LOCAL_NAMES = ("localhost", "localhost.localdomain")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")


class Access:
    """The access check of one app's dashboard.

    :param app: the app.
    :param check: what the app says; a true answer opens, a false one refuses, a response (such as
        a redirect to the app's own login) is passed on.
    :param token: ``CHEST_DASHBOARD_TOKEN``.
    :raises ConfigError: there is no way to tell who may look.
    """

    def __init__(self, app: Flask, check: AccessCheck | None, token: str | None) -> None:
        if check is None and token is None and not app.debug:
            raise ConfigError(
                "CHEST_DASHBOARD: nobody would be kept out; set CHEST_DASHBOARD_TOKEN, or call "
                "chest.dashboard_access(fn) before chest.init_app(app). In debug mode (flask run "
                "--debug) it opens without, on loopback only"
            )
        self._app = app
        self._check = check
        self._key = None if token is None else hashlib.sha256(token.encode()).digest()

    @property
    def asks_for_token(self) -> bool:
        """Whether there is a login of ours."""
        return self._check is None and self._key is not None

    def judge(self, request: Request) -> bool | Response:
        """Whether a request may see the dashboard, or what it is answered instead."""
        if self._check is not None:
            answer = self._check()
            if answer is None or isinstance(answer, bool):
                return bool(answer)
            return self._app.make_response(answer)
        if self._key is not None:
            return self.is_signed(request.cookies.get(COOKIE, ""), "session")
        return self._app.debug and is_local(request)

    def knows(self, token: str) -> bool:
        """Whether that is the token; takes as long for a wrong one as for a right one."""
        given = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        return self._key is not None and hmac.compare_digest(given, self._key)

    def sign(self, what: str) -> str:
        """A value that only this app can have made, with its end."""
        ends = f"{int(time.time()) + LASTS}.{secrets.token_urlsafe(16)}"
        return f"{ends}.{self._seal(ends, what)}"

    def is_signed(self, value: str, what: str) -> bool:
        """Whether a value was made by :meth:`sign` and has not ended."""
        body, _, seal = value.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(body, what).encode()):
            return False
        return int(body.partition(".")[0]) > time.time()

    def _seal(self, body: str, what: str) -> str:
        return hmac.new(self._key or b"", f"{what}|{body}".encode(), "sha256").hexdigest()


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy that stands on it.

    The host it names is looked at, too: a page elsewhere may give its own name our address.
    """
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    if not address.is_loopback or any(name in request.headers for name in _FORWARDED):
        return False
    return host in _LOCAL_NAMES or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
