"""A test server with the HTTP interface of ClickHouse, on top of its engine (chDB)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from typing import Any

from typing_extensions import Self

from flask_chest.chests.clickhouse.client import connect
from flask_chest.chests.url import StoreURL
from tests import ROOT

from .daemon import Daemon
from .programs import require_module

_SERVE = """
import sys
import tempfile
sys.path.insert(0, sys.argv.pop(1))
from tests.servers.clickhouse_http import main
main()
"""


class ClickHouse(Daemon):
    """A server with the user and database ``chest`` and the password ``secret``.

    Debian has no package of ClickHouse itself.

    :param certificate: certificate and key; with them the server uses TLS.
    :param max_body_bytes: longer bodies are rejected, as a proxy would; 0 sets no limit.
    """

    def __init__(
        self, certificate: tuple[Path, Path] | None = None, *, max_body_bytes: int = 0
    ) -> None:
        super().__init__()
        self._max_body_bytes = max_body_bytes
        self._certificate = certificate

    @property
    def url(self) -> str:
        scheme = "clickhouse+https" if self._certificate else "clickhouse"
        return f"{scheme}://chest:secret@127.0.0.1:{self.port}/chest"

    def __enter__(self) -> Self:
        require_module("chdb", "chdb")
        return super().__enter__()

    def command(self) -> Sequence[str]:
        files = [str(file) for file in self._certificate or ()]
        arguments = [str(self.port), "data", "chest", "secret", str(self._max_body_bytes), *files]
        return [sys.executable, "-c", _SERVE, str(ROOT), *arguments]

    def is_ready(self) -> bool:
        with create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def ask(self, query: str) -> Sequence[Sequence[Any]]:
        """Return the rows of a query."""
        return ask(self.url, query)


def ask(url: str, query: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a query to the store of a URL."""
    connection = connect(StoreURL.parse(url), 30, {})
    try:
        rows: Sequence[Sequence[Any]] = connection.client.query(query).result_rows
        return rows
    finally:
        connection.close()


@contextmanager
def in_process() -> Iterator[str]:
    """Run the engine in this process and yield its URL."""
    require_module("chdb", "chdb")
    with tempfile.TemporaryDirectory(prefix="chest-chdb-") as folder:
        url = f"chdb://{folder}"
        # The engine stops when its last connection is closed.
        connection = connect(StoreURL.parse(url), 30, {})
        try:
            yield url
        finally:
            connection.close()
