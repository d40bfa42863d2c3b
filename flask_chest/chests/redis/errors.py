"""What Redis says when it refuses, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from ..client import CHECK_ADDRESS

_CERTIFICATE = "check the server's certificate, and 'ssl_ca_certs'"
# By the driver's class; some errors have none of their own and are known by their first word.
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
# Within a script, Redis 7.0 says it in the second way, later ones in the third.
_DENIED = ("NOPERM", "The user executing the script", "ACL failure in script")
_BY_WORD = {
    "OOM": _BY_CLASS["OutOfMemoryError"],
    "READONLY": _BY_CLASS["ReadOnlyError"],
    "MOVED": "a cluster is not served; name a single server",
    "DB index is out of range": "name another database: redis://host:6379/0",
    "invalid DB index": "name another database: redis://host:6379/0",
    "unknown command": "run Redis 7 or newer",
}


def remedy_for(error: BaseException, chest_keys: Sequence[str]) -> str:
    """Return advice on an error of the driver; empty if there is none.

    :param chest_keys: the keys that the chest uses.
    """
    kind, words = type(error).__name__, str(error)
    keys = ", ".join(map(repr, chest_keys))
    if "WRONGTYPE" in words:
        return f"of {keys} one holds something else; name another stream: ?stream="
    if kind == "NoPermissionError" or any(word in words for word in _DENIED):
        return f"grant this user the commands that the page on Redis lists, on {keys}"
    if "certificate" in words or "SSL" in words:
        return _CERTIFICATE
    if kind in _BY_CLASS:
        return _BY_CLASS[kind]
    return next((remedy for word, remedy in _BY_WORD.items() if word in words), "")
