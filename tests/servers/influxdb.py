"""InfluxDB 1.6 behind a proxy that serves ``/api/v2/write`` of version 2.

Debian has no version 2, which has the same parser and storage engine. The proxy translates the
path, the token and the format of errors, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from typing_extensions import Self

from .daemon import Daemon, free_port
from .programs import find_program

TOKEN = "influx-token"

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "meta"
[data]
dir = "data"
wal-dir = "wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
max-body-size = {max_body_bytes}
[monitor]
store-enabled = false
"""


class InfluxDB(Daemon):
    """A server with the organization ``org`` and the bucket ``bucket``.

    :param max_body_bytes: longer bodies are rejected; 0 sets no limit.
    """

    def __init__(self, max_body_bytes: int = 0) -> None:
        super().__init__()
        self._max_body_bytes = max_body_bytes
        self._proxy: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._proxy is not None
        return f"influxdb://:{TOKEN}@127.0.0.1:{self._proxy.server_port}/org/bucket"

    def __enter__(self) -> Self:
        super().__enter__()
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), _proxy_handler(self))
        self._proxy.daemon_threads = True
        Thread(target=self._proxy.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._proxy is not None:
            self._proxy.shutdown()
            self._proxy.server_close()
        super().__exit__(kind, error, traceback)

    def prepare(self) -> None:
        config = _CONFIG.format(
            port=self.port, rpc=free_port(), max_body_bytes=self._max_body_bytes
        )
        (self.folder / "influxdb.conf").write_text(config)

    def command(self) -> Sequence[str]:
        return [find_program("influxd", "influxdb"), "-config", "influxdb.conf"]

    def is_ready(self) -> bool:
        return requests.post(
            f"{self.inner}/query", params={"q": "CREATE DATABASE bucket"}, timeout=2
        ).ok

    @property
    def inner(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of an InfluxQL query as dicts, with ``time`` in nanoseconds."""
        parameters = {"db": "bucket", "q": query, "epoch": "ns"}
        answer = requests.post(f"{self.inner}/query", params=parameters, timeout=10)
        [result] = answer.json(parse_int=int)["results"]
        return [
            dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
            for series in result.get("series", [])
            for row in series["values"]
        ]


def _proxy_handler(server: InfluxDB) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {
                name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()
            }
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                self._answer(401, {"code": "unauthorized", "message": "unauthorized access"})
            elif (query["org"], query["bucket"]) != ("org", "bucket"):
                message = f'bucket "{query["bucket"]}" not found'
                self._answer(404, {"code": "not found", "message": message})
            else:
                self._forward(body, query.get("precision", "ns"))

        def _forward(self, body: bytes, precision: str) -> None:
            parameters = {"db": "bucket", "precision": precision}
            try:
                answer = requests.post(
                    f"{server.inner}/write", params=parameters, data=body, timeout=30
                )
            except requests.RequestException:
                # The server is down: close the connection, as a server that has ended would.
                self.close_connection = True
                self.connection.close()
                return
            # To a body without lines, version 2 answers 204, version 1 answers 400.
            if answer.ok or not body:
                self._answer(204, None)
                return
            message = answer.json()["error"]
            status = 422 if message.startswith("partial write") else answer.status_code
            self._answer(status, {"code": "unprocessable entity", "message": message})

        def _answer(self, status: int, values: dict[str, str] | None) -> None:
            body = b"" if values is None else json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log no requests."""

    return Proxy
