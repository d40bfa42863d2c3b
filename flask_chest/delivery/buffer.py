"""What a buffer is to the exporter: places from which pages of records are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from .ledger import Ledger

#: Told of records that are gone: chest, reason, count.
LossListener: TypeAlias = Callable[[str, str, int], None]


class TornRecordError(OSError):
    """Only a part of a record could be kept; whoever reads it will count it as lost."""


class ClosedError(Exception):
    """The buffer was closed: its process is to make another one."""


@dataclass(frozen=True, slots=True)
class Page:
    """The next records for one chest.

    :param lines: encoded records.
    :param end: where the chest stands once they are dealt with; the source's own business.
    :param damaged: records that could not be read any more on the way.
    :param start: where the chest stood; likewise.
    :param last: whether there was no more when it was read.
    """

    lines: Sequence[bytes]
    end: Any
    damaged: int = 0
    start: Any = None
    last: bool = False


class Source(Protocol):
    """Records of one writer, read by each chest at its own pace."""

    def read(self, chest: str, limit: int) -> Page | None:
        """The next records for a chest, at most ``limit``; ``None`` at the end."""

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        """Move a chest past a page, for good."""


class Buffer(Protocol):
    """Where records wait."""

    @property
    def appended(self) -> int:
        """Records handed over in this process, roughly."""

    def append(self, line: bytes, mask: int) -> None:
        """Keep one record; called in the request thread.

        :raises OSError: it could not be kept.
        :raises TornRecordError: a part of it was; it needs no :meth:`count_lost`.
        :raises ClosedError: the buffer was closed.
        """

    def sources(self) -> Sequence[Source]:
        """What this process delivers."""

    def tend(self) -> None:
        """What is to be done from time to time, away from requests."""

    def count_lost(self, mask: int, reason: str) -> None:
        """Note that a record could not be kept."""

    def ledger(self) -> Ledger:
        """Every record's fate."""

    def oldest(self, chest: str) -> int | None:
        """When the oldest record that waits for a chest was made: microseconds since 1970, UTC."""

    def close(self) -> None:
        """Let go of everything; what is not delivered stays where it outlives the process."""

    def abandon(self) -> None:
        """In the child of a fork: let go of what belongs to the parent, and harm it not."""
