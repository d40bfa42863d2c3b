"""An OpenTelemetry receiver that others wrote, as a test server: ``rotel``, in Rust."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from .daemon import Daemon, free_port
from .programs import find_packaged_program


class Rotel(Daemon):
    """Receives logs by OTLP over HTTP, and passes them on to another receiver.

    :param target: the URL of the other receiver.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [
            find_packaged_program("rotel", "rotel-agent"),
            "start",
            *("--otlp-http-endpoint", f"127.0.0.1:{self.port}"),
            *("--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}"),
            *("--exporter", "otlp"),
            *("--otlp-exporter-protocol", "http"),
            *("--otlp-exporter-endpoint", self._target),
            *("--otlp-exporter-compression", "none"),
            *("--pid-file", str(self.folder / "pid")),
        ]

    def is_ready(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True
