"""A test server with the protocol of MongoDB (SecantusDB)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from typing_extensions import Self

from .daemon import Daemon
from .programs import require_module

_SERVE = """
import sys
from secantus import SecantusDBServer
options = {"tls_cert_file": sys.argv[2], "tls_key_file": sys.argv[3]} if sys.argv[2:] else {}
server = SecantusDBServer(port=int(sys.argv[1]), storage_path="data", durable=True, **options)
server.start()
server.wait()
"""


class MongoDB(Daemon):
    """A server without a password.

    :param certificate: certificate and key; with them the server uses TLS.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._certificate = certificate

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/chest"

    def __enter__(self) -> Self:
        require_module("secantus", "secantusdb")
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
