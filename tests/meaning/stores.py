"""The stores that are asked: one line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask_chest import Chest, FlaskChestSQLite
from flask_chest.chests.factory import make_chest

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
    "postgresql": Store(_server(PostgreSQL)),
    "mariadb": Store(_server(MariaDB)),
    "clickhouse": Store(_clickhouse),
    "mongodb": Store(_server(MongoDB, "collection"), milliseconds=True),
}
