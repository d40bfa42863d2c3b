"""A chest that keeps records in memory, for tests and for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..record.record import Record
from .base import Chest


class MemoryChest(Chest):
    """Keeps records in :attr:`records`, each id once, in the order of writing.

    .. versionadded:: 1.0
    """

    scheme = "memory"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._by_id: dict[str, Record] = {}

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> MemoryChest:
        """``memory://``"""
        return cls(**arguments)

    @property
    def records(self) -> list[Record]:
        """The records that were written."""
        return list(self._by_id.values())

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._by_id.setdefault(record.id, record)
