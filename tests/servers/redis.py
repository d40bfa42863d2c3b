"""Redis as a test server: ``with Redis() as server: ... server.url``."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from .daemon import Daemon
from .programs import find_program

#: Options that make Redis fsync every write before it answers.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class Redis(Daemon):
    """A Redis without persistence, unless its options enable it.

    :param options: additional options such as ``*DURABLE``; they override the defaults.
    """

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        return [
            find_program("redis-server", "redis-server"),
            *("--port", str(self.port)),
            *("--bind", "127.0.0.1"),
            *("--save", ""),
            *("--appendonly", "no"),
            *self._options,
        ]

    def is_ready(self) -> bool:
        # Without the driver: it may not be installed, and it would retry for seconds.
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
