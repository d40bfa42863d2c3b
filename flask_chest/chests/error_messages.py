"""The errors of chests: they name the chest, its address and a remedy, and hold no secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

from ..errors import ChestError, DeliveryError, ReadError
from ..record.printable_text import printable
from .secret_scrubbing import scrub, scrub_whole

T = TypeVar("T")

#: The remedy if a server cannot be reached.
CHECK_ADDRESS = "check host and port, and that the server runs"
#: The remedy if a server accepts no writes.
READ_ONLY = "the server accepts no writes, e.g. after a failover; the next batch connects again"

_MAX_REASON_LENGTH = 500
_MAX_DETAIL_LENGTH = 2000


class ErrorReports:
    """The part of a chest that describes its errors.

    :param name: the chest's name.
    :param logger: the chest's logger.
    """

    #: The default name, and the scheme of this chest's URLs.
    scheme = "chest"

    def __init__(self, name: str, logger: logging.Logger) -> None:
        self.name = name
        self.logger = logger

    def describe(self) -> str:
        """Return the address of the store for logs and errors, without credentials."""
        return self.scheme

    def secrets(self) -> tuple[str, ...]:
        """Return the passwords and tokens that must not appear in a log or an error.

        Their parts and encoded forms do not appear either.
        """
        return ()

    def describe_error(self, error: BaseException) -> str:
        """Describe an error of the driver for :meth:`error_message`.

        The chests of this package leave out the text of their stores, which may quote values of the
        app's users. The default is the class and the first line of the text.

        .. versionadded:: 1.0
        """
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"

    def log_detail(self, text: object) -> None:
        """Log what a store or a driver wrote, at level DEBUG, without :meth:`secrets`.

        .. versionadded:: 1.0
        """
        if self.logger.isEnabledFor(logging.DEBUG):
            detail = printable(scrub(str(text), self.secrets()))[:_MAX_DETAIL_LENGTH]
            self.logger.debug("chest %r: the error's own text: %s", self.name, detail)

    def error_message(self, reason: object, remedy: str = "") -> str:
        """Return an error message with the chest, its address, the reason and a remedy.

        :meth:`secrets` are blanked out, and so are characters that are not printable.

        :param reason: the driver's exception, see :meth:`describe_error`, or a message; only its
            first line is used.
        :param remedy: what the user can do, as half a sentence.
        """
        if isinstance(reason, BaseException):
            self.log_detail(reason)
            reason = self.describe_error(reason)
        secrets = self.secrets()
        line = scrub(str(reason).strip().partition("\n")[0], secrets)[:_MAX_REASON_LENGTH]
        place = scrub_whole(f"chest {self.name!r} at {self.describe()}", secrets)
        return printable(f"{place}: {line}; {remedy}" if remedy else f"{place}: {line}")

    def remedy(self, error: BaseException) -> str:
        """Return what the user can do about an error of the driver, as half a sentence.

        Empty if there is no advice (the default). Everybody can read it in the heartbeat, so it
        must not contain an address.

        .. versionadded:: 1.0
        """
        return ""

    def to_delivery_error(self, error: BaseException) -> DeliveryError:
        """Turn an error of the driver into one that names the chest, its address and a remedy.

        .. versionadded:: 1.0
        """
        return self.unavailable(error, self.remedy(error))

    def unavailable(
        self, reason: object, remedy: str = "", *, retry_after: float | None = None
    ) -> DeliveryError:
        """Return the error for a store that cannot take records now.

        :param reason: as for :meth:`error_message`.
        :param remedy: as for :meth:`error_message`.
        :param retry_after: seconds that the store asked to wait.

        .. versionadded:: 1.0
        """
        cause = type(reason).__name__ if isinstance(reason, BaseException) else ""
        message = self.error_message(reason, remedy)
        return DeliveryError(message, retry_after=retry_after, cause=cause, remedy=remedy)

    @contextmanager
    def converted_errors(self) -> Iterator[None]:
        """Convert every error of a driver within the block by :meth:`to_delivery_error`.

        Errors of this package pass.

        .. versionadded:: 1.0
        """
        try:
            yield
        except ChestError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver may raise anything, with a secret in it
            raise self.to_delivery_error(error) from None

    def to_read_error(self, error: BaseException) -> ReadError:
        """Turn an error of the driver into one that readers and erasers raise.

        .. versionadded:: 1.0
        """
        return ReadError(self.error_message(error, self.remedy(error)))


def without_secrets(method: Callable[..., T]) -> Callable[..., T]:
    """Wrap a method of a chest: an error whose text contains a secret is replaced.

    Errors of this package keep their class and their other attributes.
    """

    @wraps(method)
    def wrapper(chest: ErrorReports, *arguments: Any, **named: Any) -> T:
        try:
            return method(chest, *arguments, **named)
        except ChestError as error:
            # Not the parts of secrets: error_message() has blanked them out in the reason only.
            text = scrub_whole(str(error), chest.secrets())
            if text != str(error):
                error.args = (text,)
                # A traceback would show the error behind this one.
                raise error from None
            raise
        except Exception as error:
            if scrub(str(error), chest.secrets()) != str(error):
                raise chest.to_delivery_error(error) from None
            raise

    return wrapper


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
