"""Redis, started for a test: ``with Redis() as server: ... server.url``."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from .daemon import Daemon
from .programs import find_program

#: What it has acknowledged outlives it, and the machine.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class Redis(Daemon):
    """An empty Redis that keeps nothing, unless its options say so.

    :param options: further ones, e.g. ``*DURABLE``; they win.
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
        # By hand: the driver may not be installed, and would try again for seconds.
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
