"""Finds the id of the user whom an extension has logged in, without a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import current_app, session

# Extensions set these on g once the app, or the extension itself, has loaded the user.
# Flask-Security logs users in by Flask-Login.
_LOGIN, _HTTPAUTH = "_login_user", "flask_httpauth_user"
_JWT, _JWT_USER = "_jwt_extended_jwt", "_jwt_extended_jwt_user"


def user_id(values: Mapping[str, Any]) -> str | int | None:
    """Return the id of the request's user; ``None`` if nobody is logged in.

    :param values: what is on ``g``.
    """
    found = None
    for find in _finders(values):
        with suppress(Exception):  # the code of any app runs here
            found = _plain_id(find())
        if found is not None:
            break
    return found


def _finders(values: Mapping[str, Any]) -> Iterator[Callable[[], Any]]:
    if values.get(_LOGIN) is not None:
        yield lambda: _login_id(values[_LOGIN])
    if values.get(_HTTPAUTH) is not None:
        yield lambda: _id_of(values[_HTTPAUTH])
    if values.get(_JWT) is not None:
        yield lambda: values[_JWT].get(current_app.config.get("JWT_IDENTITY_CLAIM", "sub"))
    if values.get(_JWT_USER) is not None:
        yield lambda: _id_of(values[_JWT_USER]["loaded_user"])


def _login_id(user: Any) -> Any:
    if _would_query(user):
        # Flask-Login keeps the result of get_id() there, unless a header has identified the user.
        return session.get("_user_id") or _id_of(user)
    return None if getattr(user, "is_anonymous", False) is True else _id_of(user)


def _id_of(user: Any) -> Any:
    if isinstance(user, (str, int, UUID)):
        return user
    if isinstance(user, Mapping):
        return user.get("id")
    if _would_query(user):
        return _primary_key(user)
    get_id = getattr(user, "get_id", None)
    return user.id if get_id is None else get_id()


def _would_query(user: Any) -> bool:
    """Return whether SQLAlchemy would load the user's columns again, e.g. after a commit."""
    row = getattr(user, "_sa_instance_state", None)
    return row is not None and bool(row.expired or row.expired_attributes)


def _primary_key(user: Any) -> Any:
    identity = user._sa_instance_state.identity
    if identity is None or len(identity) != 1:
        return None
    # Flask-Login's get_id() returns a text.
    return str(identity[0]) if hasattr(type(user), "get_id") else identity[0]


def _plain_id(found: Any) -> str | int | None:
    if found is None or isinstance(found, (bool, bytes)):
        return None
    # E.g. a UUID, or an ObjectId of MongoDB.
    return found if isinstance(found, (str, int)) and found != "" else str(found) or None
