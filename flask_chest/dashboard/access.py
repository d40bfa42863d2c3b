"""Decides who may see the dashboard: by the app's check, the token, or debug mode on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response

from ..errors import ConfigError
from .failed_logins import FailedLogins
from .request_origin import is_local
from .sessions import Sessions
from .shared_state_file import StateFile
from .token_check import TokenCheck

#: The cookie of a logged-in browser.
SESSION_COOKIE = "chest_dashboard"

AccessCheck = Callable[[], Any]


class Access:
    """The access check of one app's dashboard.

    :param app: the app.
    :param check: the app's own check. A true result grants access, a false one denies it; a
        response, such as a redirect to the app's login page, is returned as it is.
    :param token: ``CHEST_DASHBOARD_TOKEN``.
    :param folder: keeps failed logins and ended sessions, for all processes of the app.
    :raises ConfigError: there is neither a check nor a token, and the app is not in debug mode.
    """

    def __init__(
        self, app: Flask, check: AccessCheck | None, token: str | None, folder: Path
    ) -> None:
        if check is None and token is None and not app.debug:
            raise ConfigError(
                "CHEST_DASHBOARD: everyone would have access; set CHEST_DASHBOARD_TOKEN, or call "
                "chest.dashboard_access(fn) before chest.init_app(app). In debug mode (flask run "
                "--debug) neither is needed, and the dashboard is served on loopback only"
            )
        self._app = app
        self._check = check
        self._token_check = None if token is None else TokenCheck(token)
        # Many apps may share a journal.
        name = hashlib.sha256(app.name.encode("utf-8", "replace")).hexdigest()[:16]
        self.failed_logins = FailedLogins(StateFile(folder / f"{name}.logins.json"))
        self.sessions = Sessions(token or "", StateFile(folder / f"{name}.sessions.json"))

    @property
    def uses_token(self) -> bool:
        """Whether users log in with the token."""
        return self._check is None and self._token_check is not None

    def authorize(self, request: Request) -> bool | Response:
        """Return whether a request may see the dashboard, or a response to send instead."""
        if self._check is not None:
            result = self._check()
            if result is None or isinstance(result, bool):
                return bool(result)
            return self._app.make_response(result)
        if self._token_check is not None:
            return self.sessions.is_valid(request.cookies.get(SESSION_COOKIE, ""))
        return self._app.debug and is_local(request)

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token."""
        return self._token_check is not None and self._token_check.matches(text)
