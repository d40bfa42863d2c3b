"""The login with the token: its form, its cookies, and protection against CSRF."""

from __future__ import annotations

import hmac
from urllib.parse import unquote, urlsplit

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .access import FORM_COOKIE, SESSION_COOKIE, SESSION_SECONDS, Access


class Login:
    """The views for logging in and out.

    :param access: checks the token and signs cookies.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def show(self) -> ResponseReturnValue:
        """Show the login form."""
        if not self._access.uses_token:
            abort(404)
        return self._form("", 200)

    def submit(self) -> ResponseReturnValue:
        """Log in, if the submitted token is right."""
        if not self._access.uses_token:
            abort(404)
        if not self._has_valid_form_value():
            return self._form("The form has expired. Please try again.", 400)
        if not self._access.is_token(request.form.get("token", "")):
            return self._form("This token is wrong.", 403)
        target = _safe_target(request.form.get("next", ""), url_for(".overview"))
        response = make_response(redirect(target, 303))
        self._set_cookie(response, SESSION_COOKIE, self._access.sign("session"))
        response.delete_cookie(FORM_COOKIE, path=_cookie_path())
        return response

    def log_out(self) -> ResponseReturnValue:
        """Delete the session cookie."""
        if not self._has_valid_form_value():
            abort(400, "The form has expired.")
        response = redirect(url_for(".login"), 303)
        response.delete_cookie(SESSION_COOKIE, path=_cookie_path())
        return response

    def form_value(self) -> str:
        """Return the value that a form must send back.

        It is also in a cookie, which other sites cannot read, so they cannot forge the form.
        """
        current = request.cookies.get(FORM_COOKIE, "")
        return current if self._access.is_signed(current, "form") else self._access.sign("form")

    def set_form_cookie(self, response: Response, value: str) -> None:
        """Set the form cookie, unless the browser has this value already."""
        if request.cookies.get(FORM_COOKIE) != value:
            self._set_cookie(response, FORM_COOKIE, value)

    def _has_valid_form_value(self) -> bool:
        cookie, value = request.cookies.get(FORM_COOKIE, ""), request.form.get("form", "")
        same = hmac.compare_digest(cookie.encode(), value.encode("utf-8", "replace"))
        return same and self._access.is_signed(value, "form")

    def _form(self, error: str, status: int) -> Response:
        value = self.form_value()
        target = request.values.get("next", "")
        page = render_template("flask_chest/login.html", error=error, form=value, target=target)
        response = make_response(page, status)
        self.set_form_cookie(response, value)
        return response

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name,
            value,
            max_age=SESSION_SECONDS,
            path=_cookie_path(),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )


def _cookie_path() -> str:
    """Return the URL path of the dashboard; a server may mount the app below a path."""
    return url_for(".overview").rstrip("/")


def _safe_target(target: str, overview: str) -> str:
    """Return the target if it is a page of the dashboard, otherwise the overview."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return overview
    if parts.scheme or parts.netloc or target.startswith("//") or "\\" in target:
        return overview
    # Browsers resolve "..", also when it is percent-encoded.
    has_parent = ".." in unquote(parts.path).split("/")
    return target if parts.path.startswith(overview) and not has_parent else overview
