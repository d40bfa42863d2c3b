"""The stores that are asked: one line for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask_chest import Chest, FlaskChestSQLite
from flask_chest.chests.factory import make_chest
from flask_chest.chests.reader import Reader

from ..servers.clickhouse import in_process
from ..servers.mariadb import MariaDB
from ..servers.mongodb import MongoDB
from ..servers.postgresql import PostgreSQL
from ..servers.programs import require_module


class Store(NamedTuple):
    """A kind of store.

    :param open: starts it, given a folder; the result makes an empty chest from a name.
    :param milliseconds: whether it keeps times in milliseconds.
    """

    open: Callable[[Path], Any]
    milliseconds: bool = False


class Archived:
    """A chest with an archive, from which it answers.

    :param chest: the chest.
    :param place: the folder of the archive.
    """

    def __init__(self, chest: Chest, place: Path) -> None:
        from flask_chest.archive.store_archive import StoreArchive

        self.archive = StoreArchive(chest, str(place))
        self._make_reader, self._maintain = chest.reader, chest.maintain
        self._chest = chest

    def row_reader(self) -> Reader:
        """A reader of the rows only."""
        reader = self._make_reader()
        assert reader is not None
        return reader

    def reader(self) -> Reader:
        """A reader of the archive, and of rows that it does not have."""
        from flask_chest.archive.reader import ArchiveReader

        source = self._chest.archive_source()
        assert source is not None
        found = self.archive.find(source, create=True)
        if found is None:
            source.close()
            return self.row_reader()
        return ArchiveReader(found, source, self.row_reader())

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        """Roll up, and archive."""
        self._maintain(until, retention, stop)
        assert self.archive.maintain(until, None, stop)


#: The archive of each chest that has one.
ARCHIVED: dict[int, Archived] = {}


def _columns(rows: Callable[[Path], Any]) -> Callable[[Path], Any]:
    @contextmanager
    def start(folder: Path) -> Iterator[Callable[[str], Chest]]:
        def make_archived(name: str) -> Chest:
            chest: Chest = make(name)
            archived = Archived(chest, folder / f"{name}.archive")
            vars(chest).update(reader=archived.reader, maintain=archived.maintain)
            ARCHIVED[id(chest)] = archived
            return chest

        with rows(folder) as make:
            yield make_archived

    return start


@contextmanager
def _sqlite(folder: Path) -> Iterator[Callable[[str], Chest]]:
    yield lambda name: FlaskChestSQLite(path=str(folder / f"{name}.db"))


def _server(kind: Any, table: str = "table") -> Callable[[Path], Any]:
    @contextmanager
    def start(_: Path) -> Iterator[Callable[[str], Chest]]:
        with kind() as server:
            yield lambda name: make_chest({"url": server.url, table: name})

    return start


@contextmanager
def _clickhouse(_: Path) -> Iterator[Callable[[str], Chest]]:
    require_module("chdb", "chdb")
    with in_process() as url:
        yield lambda name: make_chest({"url": url, "table": name})


STORES = {
    "sqlite": Store(_sqlite),
    "columns": Store(_columns(_sqlite)),
    "columns of postgresql": Store(_columns(_server(PostgreSQL))),
    "postgresql": Store(_server(PostgreSQL)),
    "mariadb": Store(_server(MariaDB)),
    "clickhouse": Store(_clickhouse),
    "mongodb": Store(_server(MongoDB, "collection"), milliseconds=True),
}
