"""Says what a user can do about an error of Redis."""

from __future__ import annotations

import re

from ..error_messages import CHECK_ADDRESS, describe_cause

_CERTIFICATE = "check the server's certificate, and 'ssl_ca_certs'"
_RENAME = "name another stream: ?stream="
# The first word of an error is its code, for example "NOPERM".
_CODE = re.compile(r"[A-Z]{3,16}(?= )")
# Remedies by the driver's exception class.
_BY_CLASS = {
    "AuthenticationError": "check user and password",
    "AuthenticationWrongNumberOfArgsError": "check user and password",
    "AuthorizationError": "check user and password",
    "BusyLoadingError": "",
    "ReadOnlyError": "name the primary, or let this server be it",
    "OutOfMemoryError": "raise the server's 'maxmemory', or lower 'maxlen' and 'window'",
    "TimeoutError": CHECK_ADDRESS,
    "ConnectionError": CHECK_ADDRESS,
}
# The second text is from scripts in Redis 7.0, the third from scripts in later versions.
_DENIED = ("NOPERM", "The user executing the script", "ACL failure in script")
# Remedies by a part of the text, for errors that the driver has no class for.
_BY_TEXT = {
    "OOM": _BY_CLASS["OutOfMemoryError"],
    "READONLY": _BY_CLASS["ReadOnlyError"],
    "MOVED": "a cluster is not served; name a single server",
    "DB index is out of range": "name another database: redis://host:6379/0",
    "invalid DB index": "name another database: redis://host:6379/0",
    "unknown command": "run Redis 7 or newer",
}


def describe_error(error: BaseException) -> str:
    """Describe an error in our own words: a server's text may quote a command's arguments."""
    code = _CODE.match(str(error))
    name = type(error).__name__
    if code is not None and not isinstance(error, OSError):
        return f"{name} {code[0]}"
    return describe_cause(error)


def remedy_for(error: BaseException) -> str:
    """Return what a user can do about a driver's error; empty if there is no advice."""
    kind, text = type(error).__name__, str(error)
    if "WRONGTYPE" in text:
        return "the stream's key, or one of its two sets of ids, holds something else; " + _RENAME
    if kind == "NoPermissionError" or any(each in text for each in _DENIED):
        return "grant this user the commands that the page on Redis lists, on all keys of the chest"
    if "certificate" in text or "SSL" in text:
        return _CERTIFICATE
    if kind in _BY_CLASS:
        return _BY_CLASS[kind]
    return next((remedy for part, remedy in _BY_TEXT.items() if part in text), "")
