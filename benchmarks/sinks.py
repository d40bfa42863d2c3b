"""Receivers without cost for the data that alternatives send."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

with suppress(ImportError):
    from elasticapm.transport.base import Transport as _Base

    class Transport(_Base):  # type: ignore[misc]
        """A transport for elastic-apm that drops its data."""

        def __init__(self, url: str, **arguments: object) -> None:
            super().__init__(**arguments)

        def send(self, data: object, forced_flush: bool = False) -> None:
            """Drop the data."""


_SERVER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def serve() -> str:
    """Start a server that answers each POST with 200 and exits with this process."""
    command = [sys.executable, "-c", f"import ctypes; ctypes.CDLL(None).prctl(1, 9)\n{_SERVER}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    return f"http://127.0.0.1:{int(server.stdout.readline())}/"
