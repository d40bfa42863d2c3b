"""Everything that Flask-Chest raises."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChestError(Exception):
    """Base of every error of this package.

    .. versionadded:: 1.0
    """


class ConfigError(ChestError, ValueError):
    """A setting is wrong. The message names the key, the value and the remedy.

    .. versionadded:: 1.0
    """


class DeliveryError(ChestError):
    """The backend did not take the records now; the same records may be sent again later.

    :param message: what happened, with chest and address, never a credential.
    :param retry_after: seconds that the backend asked to wait, or ``None`` where it said nothing.

    .. versionadded:: 1.0
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RejectedError(ChestError):
    """The backend will never take these records.

    :param message: the backend's reason.
    :param record_ids: ids of the rejected records, where the backend named them: all others of
        the batch were then accepted. ``None`` when it is not known which records are to blame;
        the batch is then halved until they are found.
    :param unnamed: how many were rejected, where the backend has stored all others, does not say
        which these are, and must not be sent the batch again. Nothing more is found out then.

    .. versionadded:: 1.0
    """

    def __init__(
        self, message: str, *, record_ids: Iterable[str] | None = None, unnamed: int = 0
    ) -> None:
        super().__init__(message)
        self.record_ids = None if record_ids is None else frozenset(record_ids)
        self.unnamed = unnamed


class QueryError(ChestError, ValueError):
    """A question that makes no sense. The message says what is wrong, and how it is written.

    .. versionadded:: 1.0
    """


class ReadError(ChestError):
    """A store cannot answer now.

    :param message: which store, and what happened; never a value that is stored.

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
