"""What every store that can be read offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from ..errors import ConfigError
from ..record.record import Record
from .query import Query
from .summary import Answer, Series

#: Records a page.
PAGE = 50
#: Records that are looked through for a page.
SCAN_LIMIT = 20_000


class Reader(ABC):
    """The records in one store. It never loads a table, and never makes a writer wait.

    Every method raises :class:`flask_chest.errors.ReadError` when the store does not answer, and
    finds nothing where nothing was delivered yet.

    :param name: the chest's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def latest(self, limit: int) -> list[Record]:
        """The newest records, oldest of them first.

        :param limit: how many.
        """

    @abstractmethod
    def ids_after(self, record_id: str) -> set[str]:
        """The ids that are later than this one."""

    @abstractmethod
    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        """Records by their ids, oldest first."""

    @abstractmethod
    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        """The records of a record's, a request's or a trace's id, oldest first."""

    @abstractmethod
    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        """A page of records, the newest first.

        :param after: the id of the last record of the page before.
        """

    @abstractmethod
    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        """How far back so many records go, whatever the filters; ``None`` for the whole range.

        A filter that hardly any record fulfils is looked for no further by who cannot wait.

        :param records: how many may be looked through.
        """

    @abstractmethod
    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        """All records, the oldest first, a page at a time.

        :param page: how many are held at once.
        """

    @abstractmethod
    def count(self, query: Query) -> int:
        """How many records there are; not reweighted."""

    @abstractmethod
    def answer(self, query: Query, limit: int = 20) -> Answer:
        """The figures of each group.

        :param limit: how many groups.
        """

    @abstractmethod
    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        """The figures of each group over time.

        :param step: seconds of an interval; where only longer ones are known, it gives those.
        :param lines: how many groups; the others are left out.
        :param keys: these groups, in place of the biggest ones.
        """

    @abstractmethod
    def names(self, query: Query) -> list[str]:
        """The variables that stand in the latest of these records."""

    @abstractmethod
    def check(self) -> None:
        """See whether it can be read."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


class Readable(Protocol):
    """A chest that may offer a reader."""

    @property
    def name(self) -> str:
        """The chest's name."""

    def reader(self) -> Reader | None:
        """A reader of its store, or ``None`` if it cannot be read back."""


def merge_records(some: Iterable[Record], others: Iterable[Record]) -> list[Record]:
    """Records of both, each once, by their ids."""
    found = {record.id: record for record in (*some, *others)}
    return [found[identity] for identity in sorted(found)]


def first_reader(chests: Iterable[Readable], name: str | None = None) -> Reader:
    """A reader of the first chest that can be read.

    :param name: the one chest that is meant.
    :raises ConfigError: there is none.
    """
    listed = list(chests)
    for chest in listed:
        reader = chest.reader() if name in (None, chest.name) else None
        if reader is not None:
            return reader
    names = ", ".join(chest.name for chest in listed) or "none"
    if name is not None and name not in [chest.name for chest in listed]:
        raise ConfigError(f"there is no chest {name!r}; there are: {names}")
    raise ConfigError(
        "no chest of this app can be read back; an SQL one can, MongoDB and ClickHouse "
        f"(chests: {names})"
    )
