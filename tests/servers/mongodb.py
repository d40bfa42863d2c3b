"""A test server with the protocol of MongoDB (SecantusDB)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from typing_extensions import Self

from .daemon import Daemon
from .programs import require_module

_SERVE = """
import json
import sys
from secantus import SecantusDBServer
options = json.loads(sys.argv[2])
server = SecantusDBServer(port=int(sys.argv[1]), storage_path="data", durable=True, **options)
server.start()
server.wait()
"""


class MongoDB(Daemon):
    """A server without a password, until :meth:`require_passwords`.

    :param certificate: certificate and key; with them the server uses TLS.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._certificate = certificate
        self._has_passwords = False

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/chest"

    def __enter__(self) -> Self:
        require_module("secantus", "secantusdb")
        return super().__enter__()

    def command(self) -> Sequence[str]:
        options: dict[str, Any] = {"require_auth": self._has_passwords}
        if self._certificate:
            certificate, key = map(str, self._certificate)
            options |= {"tls_cert_file": certificate, "tls_key_file": key}
        return [sys.executable, "-c", _SERVE, str(self.port), json.dumps(options)]

    def is_ready(self) -> bool:
        options: dict[str, Any] = {"serverSelectionTimeoutMS": 1000}
        if self._certificate:
            options |= {"tls": True, "tlsInsecure": True}
        with MongoClient[dict[str, Any]](self.url, **options) as client:
            client.admin.command("ping")
        return True

    def make_user(self, name: str, collection: str, actions: Sequence[str]) -> None:
        """Create a user, with the password ``secret``, who may do a few things to a collection."""
        resource = {"db": "chest", "collection": collection}
        privileges = [{"resource": resource, "actions": list(actions)}]
        with MongoClient[dict[str, Any]](self.url) as client:
            client.chest.command("createRole", f"{name}s", privileges=privileges, roles=[])
            client.chest.command("createUser", name, pwd="secret", roles=[f"{name}s"])

    def require_passwords(self) -> None:
        """Start the server again; from now on it asks for passwords."""
        with MongoClient[dict[str, Any]](self.url) as client:
            client.admin.command("fsync")
        self.stop()
        self._has_passwords = True
        self.start()
