"""The protocols that delivery expects of a buffer: append records, read them in pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from .ledger import Ledger

#: Called for lost records with the chest's name, the reason and the count.
LossListener: TypeAlias = Callable[[str, str, int], None]


class TornRecordError(OSError):
    """Only a part of a record could be written. The reader will count the record as lost."""


class ClosedError(Exception):
    """The buffer is closed; the process has to create a new one."""


@dataclass(frozen=True, slots=True)
class Page:
    """The next records for one chest.

    :param lines: encoded records.
    :param end: the chest's position behind the page. Only the source interprets it.
    :param damaged: how many unreadable records were skipped.
    :param start: the chest's position before the page. Only the source interprets it.
    :param last: whether the source had no further records when the page was read.
    """

    lines: Sequence[bytes]
    end: Any
    damaged: int = 0
    start: Any = None
    last: bool = False


class Source(Protocol):
    """The records of one writer. Each chest reads them at its own pace."""

    def read(self, chest: str, limit: int) -> Page | None:
        """Return the next ``limit`` records for a chest; ``None`` at the end."""

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        """Move a chest past a page, permanently."""


class Buffer(Protocol):
    """Keeps records until they are delivered."""

    @property
    def appended(self) -> int:
        """The approximate number of records that this process has appended."""

    @property
    def others_append(self) -> bool:
        """Whether sources may get records that :attr:`appended` does not count."""

    def append(self, line: bytes, mask: int) -> None:
        """Store one record. Called in the request thread.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        :raises OSError: the record could not be stored.
        :raises TornRecordError: a part of it was stored; do not call :meth:`count_lost` for it.
        :raises ClosedError: the buffer is closed.
        """

    def sources(self) -> Sequence[Source]:
        """Return the sources that this process delivers from."""

    def maintain(self) -> None:
        """Do the periodic work of the buffer. Never called in a request."""

    def count_lost(self, mask: int, reason: str) -> None:
        """Count a record that could not be stored as lost.

        :param mask: a bit for each chest that would have received it.
        :param reason: the key in the ledger.
        """

    def ledger(self) -> Ledger:
        """Return the ledger of all records that this buffer knows of."""

    def oldest_pending(self, chest: str) -> int | None:
        """Return when the oldest record that waits for a chest was made, in µs since 1970 UTC."""

    def close(self) -> None:
        """Release all resources. Records stay in the buffer if it outlives the process."""

    def after_fork_in_child(self) -> None:
        """Drop the parent's resources without touching its files."""
