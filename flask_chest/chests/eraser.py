"""The interface of erasers, which delete records from a store in small batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime

#: Records deleted at once. Writers wait while a batch is deleted.
BATCH_SIZE = 500


class Eraser(ABC):
    """Deletes records from one store, on its own connection.

    Every method raises :class:`flask_chest.errors.ReadError` if the store does not answer.
    """

    @abstractmethod
    def erase(self, ids: Sequence[str]) -> int:
        """Delete records by id; return how many were deleted."""

    @abstractmethod
    def prune(self, before: datetime) -> Iterator[int]:
        """Delete records older than ``before``; yield the size of each batch."""

    def finish(self) -> list[str]:
        """Remove what erased records have left behind: aggregates, free pages, logs.

        :returns: for each place that may still hold values, a sentence that says so.
        """
        return []

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""
