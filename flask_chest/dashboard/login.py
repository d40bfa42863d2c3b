"""One login with the token; a cookie stands for it from then on."""

from __future__ import annotations

import hmac
from urllib.parse import unquote, urlsplit

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .access import COOKIE, FORM_COOKIE, LASTS, Access


class Login:
    """The pages of the login.

    :param access: knows the token.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def ask(self) -> ResponseReturnValue:
        """The form."""
        if not self._access.asks_for_token:
            abort(404)
        return self._form("", 200)

    def take(self) -> ResponseReturnValue:
        """What was typed into it."""
        if not self._access.asks_for_token:
            abort(404)
        if not self._is_our_form():
            return self._form("The form is too old, or from another page. Try again.", 400)
        if not self._access.knows(request.form.get("token", "")):
            return self._form("That is not the token.", 403)
        following = _within(request.form.get("next", ""), url_for(".overview"))
        answer = make_response(redirect(following, 303))
        self._set(answer, COOKIE, self._access.sign("session"))
        answer.delete_cookie(FORM_COOKIE, path=_place())
        return answer

    def end(self) -> ResponseReturnValue:
        """Forget this browser."""
        if not self._is_our_form():
            abort(400, "The form is too old, or from another page.")
        answer = redirect(url_for(".login"), 303)
        answer.delete_cookie(COOKIE, path=_place())
        return answer

    def form_value(self) -> str:
        """What a form has to send back: the cookie's value, which another site cannot read."""
        there = request.cookies.get(FORM_COOKIE, "")
        return there if self._access.is_signed(there, "form") else self._access.sign("form")

    def keep_form_value(self, answer: Response, value: str) -> None:
        """Let the browser know the value too."""
        if request.cookies.get(FORM_COOKIE) != value:
            self._set(answer, FORM_COOKIE, value)

    def _is_our_form(self) -> bool:
        cookie, value = request.cookies.get(FORM_COOKIE, ""), request.form.get("form", "")
        same = hmac.compare_digest(cookie.encode(), value.encode("utf-8", "replace"))
        return same and self._access.is_signed(value, "form")

    def _form(self, error: str, status: int) -> Response:
        value = self.form_value()
        following = request.values.get("next", "")
        page = render_template(
            "flask_chest/login.html", error=error, form=value, following=following
        )
        answer = make_response(page, status)
        self.keep_form_value(answer, value)
        return answer

    def _set(self, answer: Response, name: str, value: str) -> None:
        answer.set_cookie(
            name,
            value,
            max_age=LASTS,
            path=_place(),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )


def _place() -> str:
    """Where the browser finds the dashboard: a server may have mounted the app below a path."""
    return url_for(".overview").rstrip("/")


def _within(target: str, otherwise: str) -> str:
    """A page of the dashboard, and nothing elsewhere."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return otherwise
    if parts.scheme or parts.netloc or target.startswith("//") or "\\" in target:
        return otherwise
    # Browsers resolve dots, also those that are spelt with per cent.
    climbs = ".." in unquote(parts.path).split("/")
    return target if parts.path.startswith(otherwise) and not climbs else otherwise
