"""PgBouncer as a test server: ``with PgBouncer(postgresql) as pool: ... pool.url``."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from .daemon import Daemon
from .postgresql import PostgreSQL
from .programs import find_program

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users
pool_mode = transaction
default_pool_size = 1
"""


class PgBouncer(Daemon):
    """A connection pool in transaction mode, with one connection to the server.

    All clients share this connection, so each sees what another one leaves behind.

    :param server: the PostgreSQL server behind it.
    """

    user = "postgres"

    def __init__(self, server: PostgreSQL) -> None:
        super().__init__()
        self._server = server

    @property
    def url(self) -> str:
        return f"postgresql://chest:secret@127.0.0.1:{self.port}/chest"

    def prepare(self) -> None:
        settings = _SETTINGS.format(server=self._server, port=self.port)
        (self.folder / "pgbouncer.ini").write_text(settings)
        (self.folder / "users").write_text('"chest" "secret"\n')

    def command(self) -> Sequence[str]:
        return [find_program("pgbouncer", "pgbouncer"), "pgbouncer.ini"]

    def is_ready(self) -> bool:
        with psycopg.connect(self.url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
        return True
