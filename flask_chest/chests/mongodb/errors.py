"""Classifies MongoDB's errors and says what a user can do about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..error_messages import CHECK_ADDRESS, describe_cause

_DUPLICATE_KEY = 11000
# Codes for an invalid document; all other codes are about the state of the server.
# https://www.mongodb.com/docs/manual/reference/error-codes/
_REJECTIONS = {2, 9, 14, 15, 22, 52, 55, 56, 57, 121, 10334, 17280, _DUPLICATE_KEY}
# Exceptions whose text is the driver's own.
_OWN_TEXTS = {"AutoReconnect", "NetworkTimeout", "ServerSelectionTimeoutError", "DocumentTooLarge"}
# The driver puts it between a server's text and its whole answer.
_ANSWER = ", full error: "
_REMEDIES = {
    13: "grant this user readWrite on the database, and collMod if CHEST_RETENTION has changed",
    18: "check user, password and 'authSource'",
}


def is_already_stored(error: Mapping[str, Any]) -> bool:
    """Return whether a write error says that the record was stored before."""
    # A duplicate key in a unique index that the user has added is a rejection.
    is_id = set(error.get("keyPattern", ["_id"])) == {"_id"}
    return error.get("code") == _DUPLICATE_KEY and is_id


def is_rejection(error: Mapping[str, Any]) -> bool:
    """Return whether a write error says that MongoDB will never accept the document."""
    return error.get("code") in _REJECTIONS


def describe_write_error(error: Mapping[str, Any]) -> str:
    """Describe a write error without the server's text, which quotes values."""
    code, name = error.get("code"), error.get("codeName")
    known = f" ({name})" if isinstance(name, str) and name.isalnum() else ""
    return f"it refused a document with code {code}{known}"


def describe_error(error: BaseException) -> str:
    """Describe an error of the driver without the server's text."""
    code: Any = getattr(error, "code", None)
    if code is not None:
        details = getattr(error, "details", None) or {}
        name = details.get("codeName") if isinstance(details, Mapping) else None
        known = f" ({name})" if isinstance(name, str) and name.isalnum() else ""
        return f"{type(error).__name__} {code}{known}"
    kind, text = type(error).__name__, str(error)
    if kind in _OWN_TEXTS and _ANSWER in text:
        return f"{kind}: the server answered with an error"
    if kind in _OWN_TEXTS:
        return f"{kind}: {text.partition(', Timeout: ')[0]}"
    return describe_cause(error)


def remedy_for(error: BaseException) -> str:
    """Return what a user can do about a driver's error; empty if there is no advice."""
    code: Any = getattr(error, "code", None)
    return CHECK_ADDRESS if code is None else _REMEDIES.get(code, "")
