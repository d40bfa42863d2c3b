"""A server that speaks ClickHouse's HTTP interface, with its engine (chDB), started for a test."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from socket import create_connection
from typing import Any

from typing_extensions import Self

from flask_chest.chests.clickhouse.client import connect
from flask_chest.chests.url import StoreURL
from tests import ROOT

from .daemon import Daemon
from .missing import lack

_SERVE = """
import sys
import tempfile
sys.path.insert(0, sys.argv.pop(1))
from tests.servers.clickhouse_http import main
main()
"""


class ClickHouse(Daemon):
    """User and database ``chest``, password ``secret``. ClickHouse itself is in no Debian.

    :param certificate: serve TLS with this certificate and key.
    :param most_bytes: a longer body is refused, as by a proxy in front of it; 0 for none.
    """

    def __init__(
        self, certificate: tuple[Path, Path] | None = None, *, most_bytes: int = 0
    ) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._certificate = certificate

    @property
    def url(self) -> str:
        scheme = "clickhouse+https" if self._certificate else "clickhouse"
        return f"{scheme}://chest:secret@127.0.0.1:{self.port}/chest"

    def __enter__(self) -> Self:
        if find_spec("chdb") is None:
            lack("chdb (of PyPI)")
        return super().__enter__()

    def command(self) -> Sequence[str]:
        files = [str(file) for file in self._certificate or ()]
        arguments = [str(self.port), "data", "chest", "secret", str(self._most_bytes), *files]
        return [sys.executable, "-c", _SERVE, str(ROOT), *arguments]

    def is_ready(self) -> bool:
        with create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def ask(self, query: str) -> Sequence[Sequence[Any]]:
        """The rows of a query."""
        return ask(self.url, query)


def ask(url: str, query: str) -> Sequence[Sequence[Any]]:
    """The rows of a query, from whatever a chest's URL leads to."""
    connection = connect(StoreURL.parse(url), 30, {})
    try:
        rows: Sequence[Sequence[Any]] = connection.client.query(query).result_rows
        return rows
    finally:
        connection.close()


@contextmanager
def in_process() -> Iterator[str]:
    """The URL of the engine in this process, which is kept running meanwhile."""
    if find_spec("chdb") is None:
        lack("chdb (of PyPI)")
    with tempfile.TemporaryDirectory(prefix="chest-chdb-") as folder:
        url = f"chdb://{folder}"
        # It ends with its last connection.
        connection = connect(StoreURL.parse(url), 30, {})
        try:
            yield url
        finally:
            connection.close()
