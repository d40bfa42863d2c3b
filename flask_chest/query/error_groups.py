"""Groups records with errors: the same error is one group, across requests and releases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from ..record.record import Record
from .values import spelling

#: The variables that explain an error, see ``docs/explaining.rst``.
FINGERPRINT, HANDLED_TYPE = "error.fingerprint", "exception.type"
MESSAGE, STACKTRACE = "exception.message", "exception.stacktrace"
#: The variable that names a user.
USER = "user_id"


@dataclass(slots=True)
class ErrorGroup:
    """Records with the same error.

    :param key: 16 hexadecimal digits: the fingerprint, or without one a hash of class and route.
    :param latest: the newest record.
    """

    key: str
    latest: Record
    first: datetime
    count: float = 0.0
    handled: bool = True
    users: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    is_new: bool = False

    @property
    def error(self) -> str:
        """The class of the exception."""
        return error_of(self.latest)

    @property
    def last(self) -> datetime:
        """The time of the newest record."""
        return self.latest.time

    @property
    def message(self) -> str | None:
        """The text of the newest exception, if it was recorded."""
        return _text(self.latest, MESSAGE)

    @property
    def stacktrace(self) -> str | None:
        """The traceback of the newest exception, if it was recorded."""
        return _text(self.latest, STACKTRACE)

    def add(self, record: Record) -> None:
        """Add a record that is not newer than those before it."""
        self.first = min(self.first, record.time)
        self.count += 1 / record.sample_rate if record.sample_rate else 1.0
        self.handled = self.handled and record.error is None
        user = spelling(record.vars.get(USER))
        if user:
            self.users.add(user)
        self.versions.add(version_of(record))


def group_errors(records: Iterable[Record]) -> list[ErrorGroup]:
    """Return the groups of errors, the one that was last seen first.

    A group is new if the errors of the latest release have it and those of others do not. If all
    records come from one release, nothing is new.

    :param records: records with errors, the newest first.
    """
    groups: dict[str, ErrorGroup] = {}
    latest: Record | None = None
    versions: set[str] = set()
    for record in records:
        latest = latest or record
        versions.add(version_of(record))
        key = key_of(record)
        group = groups.get(key)
        if group is None:
            group = groups[key] = ErrorGroup(key, record, record.time)
        group.add(record)
    if latest is not None and len(versions) > 1:
        for group in groups.values():
            group.is_new = group.versions == {version_of(latest)}
    return list(groups.values())


def key_of(record: Record) -> str:
    """Return the key of the group that a record belongs to."""
    fingerprint = record.vars.get(FINGERPRINT)
    if isinstance(fingerprint, str) and fingerprint:
        return fingerprint
    text = f"{error_of(record)}\n{record.route or record.endpoint}"
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def error_of(record: Record) -> str:
    """Return the class of the exception that ended a request, or that the app noted."""
    return record.error or spelling(record.vars.get(HANDLED_TYPE)) or ""


def version_of(record: Record) -> str:
    """Return the release that made a record; empty if it is unknown."""
    return spelling(record.tags.get("version")) or ""


def _text(record: Record, name: str) -> str | None:
    value = record.vars.get(name)
    return value if isinstance(value, str) else None
