"""The stores that are asked: one line for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flask_chest import Chest, FlaskChestSQLite
from flask_chest.chests.factory import make_chest
from flask_chest.chests.reader import Reader

from ..servers.clickhouse import in_process
from ..servers.mariadb import MariaDB
from ..servers.mongodb import MongoDB
from ..servers.postgresql import PostgreSQL
from ..servers.programs import require_module

if TYPE_CHECKING:
    from flask_chest.archive.store_archive import StoreArchive


class Store(NamedTuple):
    """A kind of store.

    :param open: starts it, given a folder; the result makes an empty chest from a name.
    :param milliseconds: whether it keeps times in milliseconds.
    """

    open: Callable[[Path], Any]
    milliseconds: bool = False


class ArchivedSQLite(FlaskChestSQLite):
    """A SQLite file with an archive, from which it answers."""

    @property
    def archive(self) -> StoreArchive:
        """The archive, beside the file."""
        from flask_chest.archive.store_archive import StoreArchive

        return StoreArchive(self, str(self.file().with_suffix(".archive")))

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        super().maintain(until, retention, stop)
        assert self.archive.maintain(until, None, stop)

    def row_reader(self) -> Reader:
        """A reader of the rows only."""
        return super().reader()

    def reader(self) -> Reader:
        from flask_chest.archive.reader import ArchiveReader

        source = self.archive_source()
        assert source is not None
        found = self.archive.find(source, create=True)
        if found is None:
            source.close()
            return self.row_reader()
        return ArchiveReader(found, source, self.row_reader())


@contextmanager
def _columns(folder: Path) -> Iterator[Callable[[str], Chest]]:
    yield lambda name: ArchivedSQLite(path=str(folder / f"{name}.db"))


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
    "columns": Store(_columns),
    "postgresql": Store(_server(PostgreSQL)),
    "mariadb": Store(_server(MariaDB)),
    "clickhouse": Store(_clickhouse),
    "mongodb": Store(_server(MongoDB, "collection"), milliseconds=True),
}
