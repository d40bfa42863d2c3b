"""PostgreSQL as a test server: ``with PostgreSQL() as server: ... server.url``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg

from .daemon import Daemon
from .programs import find_program

PLACES = "usr/lib/postgresql/*/bin"


class PostgreSQL(Daemon):
    """A server with the superuser and database ``chest`` and the password ``secret``.

    :param options: additional arguments for ``postgres``.
    :param certificate: certificate and key; with them the server offers TLS.
    """

    user = "postgres"

    def __init__(self, *options: str, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._options = options
        self._certificate = certificate

    @property
    def url(self) -> str:
        return f"postgresql://chest:secret@127.0.0.1:{self.port}/chest"

    def prepare(self) -> None:
        password = self.folder / "password"
        password.write_text("secret")
        self._give_to_user(password)
        initdb = find_program("initdb", "postgresql", places=[f"{PLACES}/initdb"])
        self.run(
            initdb,
            "--pgdata=data",
            "--username=chest",
            "--pwfile=password",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )
        self.copy_to_folder(self._certificate or ())

    def command(self) -> Sequence[str]:
        postgres = find_program("postgres", "postgresql", places=[f"{PLACES}/postgres"])
        return [
            str(Path(postgres).resolve()),
            "-D",
            "data",
            f"--port={self.port}",
            "--listen_addresses=127.0.0.1",
            f"--unix_socket_directories={self.folder}",
            *self._tls(),
            *self._options,
        ]

    def _tls(self) -> list[str]:
        if self._certificate is None:
            return []
        certificate, key = (self.folder / file.name for file in self._certificate)
        return ["--ssl=on", f"--ssl_cert_file={certificate}", f"--ssl_key_file={key}"]

    def is_ready(self) -> bool:
        url = self.url.removesuffix("/chest") + "/postgres"
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = 'chest'"
            ).fetchone():
                connection.execute("CREATE DATABASE chest")
        return True
