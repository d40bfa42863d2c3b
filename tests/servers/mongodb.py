"""A server that speaks MongoDB's protocol (SecantusDB), started for a test."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from typing_extensions import Self

from .daemon import Daemon
from .missing import lack

_SERVE = """
import sys
from secantus import SecantusDBServer
options = {"tls_cert_file": sys.argv[2], "tls_key_file": sys.argv[3]} if sys.argv[2:] else {}
server = SecantusDBServer(port=int(sys.argv[1]), storage_path="data", durable=True, **options)
server.start()
server.wait()
"""


class MongoDB(Daemon):
    """Asks for no password.

    :param certificate: serve TLS with this certificate and key.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._certificate = certificate

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/chest"

    def __enter__(self) -> Self:
        if find_spec("secantus") is None:
            lack("secantusdb (of PyPI)")
        return super().__enter__()

    def command(self) -> Sequence[str]:
        files = [str(file) for file in self._certificate or ()]
        return [sys.executable, "-c", _SERVE, str(self.port), *files]

    def is_ready(self) -> bool:
        options: dict[str, Any] = {"serverSelectionTimeoutMS": 1000}
        if self._certificate:
            options |= {"tls": True, "tlsInsecure": True}
        with MongoClient[dict[str, Any]](self.url, **options) as client:
            client.admin.command("ping")
        return True
