"""Sets and deletes the dashboard's cookies, which the browser sends to the dashboard only."""

from __future__ import annotations

from flask import Response, request, url_for

from .sessions import SESSION_SECONDS


def set_cookie(response: Response, name: str, value: str) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        name,
        value,
        max_age=SESSION_SECONDS,
        path=_path(),
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
    )


def delete_cookie(response: Response, name: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(
        name, path=_path(), httponly=True, samesite="Strict", secure=request.is_secure
    )


def _path() -> str:
    """Return the URL path of the dashboard; a server may mount the app below a path."""
    return url_for("chest_dashboard.overview").rstrip("/")
