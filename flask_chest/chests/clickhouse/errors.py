"""Classifies and describes ClickHouse's errors, without values from the data."""

from __future__ import annotations

import re
from typing import Any

from ..error_messages import CHECK_ADDRESS, describe_cause
from .version import too_old_version, upgrade_remedy

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_REMEDIES = {
    81: "create this database, or name another one",
    115: "this server does not know the setting: see 'settings'",
    192: "check user and password",
    193: "check user and password",
    194: "check user and password",
    241: "the server is short of memory",
    243: "the server's disk is full",
    252: (
        "too many small batches: raise CHEST_EXPORT_INTERVAL, let one agent deliver for a machine, "
        "or set 'async_insert' in 'settings'"
    ),
    497: "grant this user SELECT, INSERT, CREATE and ALTER on the database",
    516: "check user and password",
}
_UNTRUSTED = "check the host's name, and name the file of a private CA as 'verify'"
_UNKNOWN_TABLE = 60
# Codes for an invalid record: it cannot be parsed, is out of range, is null in a column that does
# not allow it, or violates a constraint of the user. Other codes are about the server's state.
_REJECTIONS = {6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 349, 407, 467, 469}
# ClickHouse accepts a body of any length. A proxy in front of it may not; its answer has no code.
_TOO_LONG = re.compile(r"\bHTTP status 413\b")
_TOO_LONG_TEXT = (
    "a proxy in front of it takes no body of this length (HTTP 413); raise its limit, which is "
    "'client_max_body_size' in nginx"
)
# The name of an error is at the end of its message.
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?: \(for url [^)]*\)| \(version [^)]*\)+)*\s*$")
_KEY = re.compile(r"while reading the value of key (\w+)")


def error_code(error: BaseException) -> int | None:
    """Return ClickHouse's code of an error, or ``None`` if the error is not ClickHouse's."""
    cause: Any = getattr(error, "orig", None) or error
    code: int | None = getattr(cause, "code", None)
    if isinstance(code, int):
        return code
    found = re.search(r"\bCode: (\d+)", str(cause))
    return int(found[1]) if found else None


def is_rejection(error: BaseException) -> bool:
    """Return whether ClickHouse will never accept these records."""
    return error_code(error) in _REJECTIONS or _is_too_long(error)


def is_unknown_table(error: BaseException) -> bool:
    """Return whether the table does not exist."""
    return error_code(error) == _UNKNOWN_TABLE


def remedy_for(error: BaseException) -> str:
    """Return what a user can do about an error; empty if there is no advice."""
    cause: Any = getattr(error, "orig", None) or error
    code, text = error_code(cause), str(cause)
    if too_old_version(cause):
        return upgrade_remedy()
    if code is not None:
        return _REMEDIES.get(code, "")
    if "chdb engine" in text:
        return "one process at a time may open this folder, and one folder at a time"
    return _UNTRUSTED if "certificate" in text.lower() else CHECK_ADDRESS


def describe_error(error: BaseException) -> str:
    """Describe an error in our own words: messages quote the query and the data."""
    cause: Any = getattr(error, "orig", None) or error
    text, code = str(cause), error_code(cause)
    if version := too_old_version(cause):
        return f"ClickHouse {version} is too old"
    if _is_too_long(cause):
        return _TOO_LONG_TEXT
    if code is None:
        return describe_cause(cause)
    found = _NAME.search(text)
    name = getattr(cause, "name", None) or (found[1] if found else "error")
    key = _KEY.search(text) if code in _REJECTIONS else None
    return f"{name} ({code})" + (f" in {key[1]}" if key else "")


def _is_too_long(error: BaseException) -> bool:
    return error_code(error) is None and _TOO_LONG.search(str(error)) is not None
