"""The exceptions that Flask-Chest raises, and the advice that their messages give."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChestError(Exception):
    """Base class of all exceptions of this package.

    .. versionadded:: 1.0
    """


class ConfigError(ChestError, ValueError):
    """A setting is wrong. The message names the key, the value and the remedy.

    .. versionadded:: 1.0
    """


class DeliveryError(ChestError):
    """The store did not accept the records now; delivery sends the same records again later.

    :param message: the failure, with the chest's name and address, never a credential.
    :param retry_after: seconds to wait before the next attempt, if the store named a time.
    :param cause: the class of the error behind this one, e.g. ``"OperationalError"``.
    :param remedy: what the user can do, as half a sentence without an address. The heartbeat, which
        everybody can read, shows only these two.

    .. versionadded:: 1.0
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        cause: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.cause = cause or type(self).__name__
        self.remedy = remedy


class RejectedError(ChestError):
    """The store will never accept some records of the batch.

    :param message: the store's reason.
    :param record_ids: ids of the rejected records, if the store named them; the store has accepted
        all others. With ``None``, delivery halves the batch until it has found the rejected ones.
    :param unnamed: number of rejected records if the store has accepted all others, does not name
        the rejected ones and must not get the batch again. Delivery then only counts them.

    .. versionadded:: 1.0
    """

    def __init__(
        self, message: str, *, record_ids: Iterable[str] | None = None, unnamed: int = 0
    ) -> None:
        super().__init__(message)
        self.record_ids = None if record_ids is None else frozenset(record_ids)
        self.unnamed = unnamed


class QueryError(ChestError, ValueError):
    """A query is malformed. The message names the mistake and the right form.

    .. versionadded:: 1.0
    """


class ReadError(ChestError):
    """A store cannot answer a query now.

    :param message: the failure, with the store's name and address, never a stored value.

    .. versionadded:: 1.0
    """


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt name most resembles; ``None`` if none is close."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def suggest_name(name: str, known: Iterable[str], label: str = "known") -> str:
    """Return the advice for an error message about an unknown name.

    :param known: the names that are allowed.
    :param label: what introduces the list of known names if no known name is close.
    :returns: ``did you mean 'x'?`` or ``known: x, y``.
    """
    known = list(known)
    near = closest_name(name, known)
    return f"{label}: {', '.join(known)}" if near is None else f"did you mean {near!r}?"
