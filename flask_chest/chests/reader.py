"""The interface of readers, which answer queries from a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from ..query.answer import Answer, Series
from ..query.query import Query
from ..record.record import Record

#: Records per page.
PAGE = 50
#: Records that are scanned for one page at most.
SCAN_LIMIT = 20_000


class Reader(ABC):
    """Reads the records of one store, without loading a whole table and without blocking writers.

    Every method raises :class:`flask_chest.errors.ReadError` if the store does not answer, and
    returns an empty result if nothing has been delivered yet.

    :param name: the name of the chest.
    """

    #: Whether the percentiles of several groups or intervals can be added up.
    adds_percentiles = True

    #: Whether it also reads the archive of the store.
    reads_archive = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def latest(self, limit: int) -> list[Record]:
        """The newest records, in ascending order.

        :param limit: maximum number of records.
        """

    @abstractmethod
    def ids_after(self, record_id: str) -> set[str]:
        """All ids greater than this one."""

    @abstractmethod
    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        """The records with these ids, oldest first."""

    @abstractmethod
    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        """The records with this record id, request id or trace id, oldest first."""

    @abstractmethod
    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        """One page of records, newest first.

        :param after: the id of the last record of the previous page.
        :param limit: maximum number of records.
        """

    @abstractmethod
    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        """The time from which on a query's range holds about ``records`` records.

        A page with a filter that few records fulfil is searched from there on only, so that it
        does not take too long. The filters of the query are ignored.

        :param records: how many records may be scanned.
        :returns: ``None`` if the whole range holds no more records.
        """

    @abstractmethod
    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        """All records, oldest first.

        :param page: how many records are in memory at once.
        """

    @abstractmethod
    def count(self, query: Query) -> int:
        """The number of stored records, without weights."""

    @abstractmethod
    def answer(self, query: Query, limit: int = 20) -> Answer:
        """The aggregates of each group.

        :param limit: maximum number of listed groups.
        """

    @abstractmethod
    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        """The aggregates of each group over time.

        :param step: length of an interval in seconds. The series has longer intervals if the store
            has no finer data.
        :param lines: maximum number of groups; others are left out.
        :param keys: groups to return instead of the biggest ones.
        """

    @abstractmethod
    def names(self, query: Query) -> list[str]:
        """The variables in the latest records of a query."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error if the store cannot be read."""

    def exists(self) -> bool:
        """Return whether the store has a table of records, even an empty one.

        A store that does not know, since it creates tables as needed, returns ``True`` (the
        default).
        """
        return True

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


def merge_records(some: Iterable[Record], others: Iterable[Record]) -> list[Record]:
    """The union of two lists of records, by id, oldest first."""
    by_id = {record.id: record for record in (*some, *others)}
    return sorted(by_id.values(), key=lambda record: (record.time, record.id))
