"""Describes errors in our own words: the text of a store may quote what users typed."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

_MAX_CAUSES = 10


def describe_cause(error: BaseException) -> str:
    """Return the class of an error, and the operating system's or TLS library's reason, if any.

    The error's own text is left out: a driver may put a server's text or a header into it.
    """
    name = type(error).__name__
    for cause in _causes(error):
        # Of SSLCertVerificationError; most apps need no ssl, which takes long to import.
        if verify_message := getattr(cause, "verify_message", ""):
            return f"{name}: certificate verify failed: {verify_message}"
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            file = f": {cause.filename!r}" if isinstance(cause.filename, str) else ""
            return f"{name}: {cause.strerror}{file}"
    innermost = type([*_causes(error)][-1]).__name__
    return name if innermost == name else f"{name} ({innermost})"


def describe_status(status: int) -> str:
    """Return the status of an HTTP response with its standard phrase, not the server's."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"it answered {status} {phrase}".rstrip()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then the error that caused it, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen and len(seen) < _MAX_CAUSES:
        yield cause
        seen.add(id(cause))
        cause = _next_cause(cause)


def _next_cause(error: BaseException) -> BaseException | None:
    # requests, urllib3 and PyMySQL pass causes as an attribute or as an argument.
    named = (getattr(error, name, None) for name in ("reason", "original_exception"))
    candidates = (*named, *error.args, error.__cause__, error.__context__)
    return next((each for each in candidates if isinstance(each, BaseException)), None)
