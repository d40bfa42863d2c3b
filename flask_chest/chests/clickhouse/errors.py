"""What ClickHouse's errors mean, and how they are told."""

from __future__ import annotations

import re
from typing import Any

from ..client import CHECK_ADDRESS

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
# What is wrong with a record, as against what is wrong with the server at this moment: it cannot be
# parsed, is out of range, is null where nothing may be, or breaks a CHECK of the user's own.
_REJECTIONS = {6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 349, 407, 467, 469}
# ClickHouse takes a body of any length; a proxy in front of it may not, and has no code for it.
_TOO_LONG = re.compile(r"\bHTTP status 413\b")
_TOO_LONG_TOLD = (
    "a proxy in front of it takes no body of this length (HTTP 413); raise its limit, which is "
    "'client_max_body_size' in nginx"
)
# Behind these words, messages quote the query or the data.
_QUOTES = re.compile(
    r"(?:[.:;,]?\s*\(?(?:In scope|before:|While |while |\(at row)|: '| near ).*", re.S
)
# The name is told in front; the rest is ours to tell.
_TAIL = re.compile(r"\s*\([A-Z_]+\)(?: \(for url [^)]*\))?\s*$|\s*\(version .*$")
_CAUSE = re.compile(
    r"Caused by (\w+)\([\"']?(?:HTTPS?Connection(?:Pool)?\(.*?\): )?(.*?)[\"']?\)\)"
)
_KEY = re.compile(r"while reading the value of key (\w+)")
_PREFIX = re.compile(r"^(?:.*?\bCode: \d+\. )?(?:DB::Exception: |Code: \d+\. )*", re.S)


def code_of(error: BaseException) -> int | None:
    """ClickHouse's number of an error; ``None`` where it did not come from there."""
    cause: Any = getattr(error, "orig", None) or error
    code: int | None = getattr(cause, "code", None)
    if isinstance(code, int):
        return code
    found = re.search(r"\bCode: (\d+)", str(cause))
    return int(found[1]) if found else None


def is_rejection(error: BaseException) -> bool:
    """Whether it will never take these records."""
    return code_of(error) in _REJECTIONS or _is_too_long(error)


def is_unknown_table(error: BaseException) -> bool:
    """Whether the table is not there."""
    return code_of(error) == _UNKNOWN_TABLE


def remedy_for(error: BaseException) -> str:
    """What a user can do about it; empty where there is no advice."""
    code = code_of(error)
    words = str(getattr(error, "orig", None) or error)
    if code is not None:
        return _REMEDIES.get(code, "")
    if "chdb engine" in words:
        return "one process at a time may open this folder, and one folder at a time"
    return _UNTRUSTED if "certificate" in words.lower() else CHECK_ADDRESS


def words_of(error: BaseException) -> str:
    """An error in one line, without any value: messages quote what could not be parsed."""
    cause: Any = getattr(error, "orig", None) or error
    text, code = str(cause), code_of(cause)
    if _is_too_long(cause):
        return _TOO_LONG_TOLD
    if code is None:
        found = _CAUSE.search(text)
        return f"{found[1]}: {found[2]}" if found else text
    name = getattr(cause, "name", None) or f"error {code}"
    if code in _REJECTIONS:
        key = _KEY.search(text)
        return f"{name} ({code})" + (f" in {key[1]}" if key else "")
    told = _QUOTES.sub("", _TAIL.sub("", _PREFIX.sub("", text).strip().partition("\n")[0]))
    return f"{name} ({code}): {told}"


def _is_too_long(error: BaseException) -> bool:
    return code_of(error) is None and _TOO_LONG.search(str(error)) is not None
