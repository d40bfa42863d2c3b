"""The login with the token, and the logout."""

from __future__ import annotations

import math
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from flask import Response, abort, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from .access import SESSION_COOKIE, Access
from .cookies import delete_cookie, set_cookie
from .csrf import delete_form_cookie, has_valid_form_value

_MAX_TARGET = 2000


class Login:
    """The views for logging in and out.

    :param access: checks the token, and creates sessions.
    :param render: renders a template.
    """

    def __init__(self, access: Access, render: Callable[..., str]) -> None:
        self._access = access
        self._render = render

    def show(self) -> ResponseReturnValue:
        """Show the login form."""
        if not self._access.uses_token:
            abort(404)
        return self._form("", 200)

    def submit(self) -> ResponseReturnValue:
        """Log in, if the submitted token is right."""
        if not self._access.uses_token:
            abort(404)
        if not has_valid_form_value():
            return self._form("The form has expired. Please try again.", 400)
        is_right = self._access.is_token(request.form.get("token", ""))
        wait = self._access.failed_logins.attempt(request.remote_addr, is_right=is_right)
        if wait:
            return self._slowed(math.ceil(wait))
        if not is_right:
            return self._form("This token is wrong.", 403)
        target = _safe_target(request.form.get("next", ""), url_for(".overview"))
        response = make_response(redirect(target, 303))
        set_cookie(response, SESSION_COOKIE, self._access.sessions.create())
        delete_form_cookie(response)
        return response

    def log_out(self) -> ResponseReturnValue:
        """End the session, also for copies of its cookie."""
        if not has_valid_form_value():
            abort(400, "The form has expired.")
        self._access.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        response = make_response(redirect(url_for(".login"), 303))
        delete_cookie(response, SESSION_COOKIE)
        return response

    def _slowed(self, seconds: int) -> Response:
        response = self._form(f"Too many wrong tokens. Please wait {seconds} seconds.", 429)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _form(self, error: str, status: int) -> Response:
        target = request.values.get("next", "")[:_MAX_TARGET]
        return make_response(self._render("login", error=error, target=target), status)


def _safe_target(target: str, overview: str) -> str:
    """Return the target if it is a page of the dashboard, otherwise the overview."""
    # A control character cannot be in a header, and browsers remove some of them from URLs.
    if not target.isprintable() or len(target) > _MAX_TARGET or "\\" in target:
        return overview
    try:
        parts = urlsplit(target)
    except ValueError:
        return overview
    if parts.scheme or parts.netloc or target.startswith("//"):
        return overview
    # Browsers resolve "..", also when it is percent-encoded.
    path = unquote(parts.path)
    is_plain = path.isprintable() and ".." not in path.split("/") and "\\" not in path
    return target if parts.path.startswith(overview) and is_plain else overview
