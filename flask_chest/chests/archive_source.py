"""The interface of what the archive needs from a store."""

from __future__ import annotations

import os
import socket
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

#: Seconds until another process may take over the lease of a process that died.
LEASE_SECONDS = 300


def lease_holder() -> str:
    """A name for the holder of a lease, which no other holder has."""
    return f"{socket.gethostname()[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


class ArchiveSource(ABC):
    """The rows of one store, as the archive reads them, on a connection of its own.

    Times are seconds since 1970, UTC. Every method raises
    :class:`flask_chest.errors.ReadError` if the store does not answer.
    """

    @abstractmethod
    def store_id(self, *, create: bool = False) -> str | None:
        """The id that the store keeps for its archive, so that a moved store finds it again.

        :param create: make an id if the store has none yet; else return ``None``.
        """

    @abstractmethod
    def late_hours(self) -> Mapping[int, int]:
        """The hours that got records after they may have been archived.

        :returns: the start of each hour, and how often a writer reported it.
        """

    @abstractmethod
    def report_late_hours(self, hours: Iterable[int]) -> None:
        """Report hours whose rows are no longer in the archive."""

    @abstractmethod
    def clear_late_hour(self, hour: int, reports: int) -> None:
        """Delete the report of an hour, unless there were more reports since."""

    @abstractmethod
    def next_hour(self, after: int) -> int | None:
        """The first hour with rows at or after a time; ``None`` if there is none."""

    @abstractmethod
    def count(self, start: int, end: int) -> int:
        """The number of rows of a stretch of time."""

    @abstractmethod
    def lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the rows of a stretch of time, in the order of time and id, some at once.

        :returns: encoded records, separated by newlines.
        """

    @abstractmethod
    def ids(self, start: int, end: int) -> Iterator[list[str]]:
        """Yield the ids of the rows of a stretch of time, some at once."""

    @abstractmethod
    def delete(self, ids: list[str]) -> int:
        """Delete rows by id; return how many were deleted."""

    @abstractmethod
    def acquire_lease(self) -> bool:
        """Acquire or renew the right to write the archive; ``False`` if another process has it."""

    @abstractmethod
    def renew_lease(self) -> bool:
        """Renew the lease if that is due; ``False`` if another process has it."""

    @abstractmethod
    def release_lease(self) -> None:
        """Release the right to write the archive."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""
