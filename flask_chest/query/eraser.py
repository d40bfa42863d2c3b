"""Deletes records from a store, a few at a time, on a connection of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime

#: Records deleted at once: writers wait for no more than that.
BATCH_SIZE = 500


class Eraser(ABC):
    """Deletes from one store.

    Every method raises :class:`flask_chest.errors.ReadError` when the store does not answer.
    """

    @abstractmethod
    def erase(self, ids: Sequence[str]) -> int:
        """Delete records by their ids; returns how many there were."""

    @abstractmethod
    def prune(self, before: datetime) -> Iterator[int]:
        """Delete what is older, in small batches; yields the size of each."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""
