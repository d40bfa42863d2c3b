"""Protects forms against CSRF: a random value, in the form and in a cookie (double submit)."""

from __future__ import annotations

import hmac
import re
import secrets

from flask import Response, request

from .cookies import delete_cookie, set_cookie

#: The cookie with the value.
FORM_COOKIE = "chest_dashboard_form"
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_IN_ENVIRON = "flask_chest.form"


def form_value() -> str:
    """Return the value that a form of this response must send back.

    The value is random and signed by nothing: it depends on no secret. Other sites cannot read the
    cookie that has the same value, so they cannot forge the form.
    """
    current = request.cookies.get(FORM_COOKIE, "")
    made = current if _VALUE.fullmatch(current) else secrets.token_urlsafe(32)
    value: str = request.environ.setdefault(_IN_ENVIRON, made)
    return value


def has_valid_form_value() -> bool:
    """Return whether the submitted form has the value of the cookie."""
    cookie, value = request.cookies.get(FORM_COOKIE, ""), request.form.get("form", "")
    if not _VALUE.fullmatch(cookie):
        return False
    return hmac.compare_digest(cookie.encode(), value.encode("utf-8", "replace"))


def set_form_cookie(response: Response) -> None:
    """Set the cookie, if the response contains a form and the browser has no such cookie yet."""
    value = request.environ.get(_IN_ENVIRON)
    if value is not None and request.cookies.get(FORM_COOKIE) != value:
        set_cookie(response, FORM_COOKIE, value)


def delete_form_cookie(response: Response) -> None:
    """Delete the cookie: after the login, forms get a new value."""
    delete_cookie(response, FORM_COOKIE)
