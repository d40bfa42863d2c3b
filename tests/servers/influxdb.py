"""InfluxDB's own engine: Debian's 1.6, behind a door that speaks version 2's ``/api/v2/write``.

Version 2 has the same parser and the same storage engine; Debian does not have it. The door
translates the path, the token and the shape of errors, and nothing else.
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
max-body-size = {most}
[monitor]
store-enabled = false
"""


class InfluxDB(Daemon):
    """An organization ``org`` with a bucket ``bucket``.

    :param most: bytes of a request that it takes; 0 sets no limit.
    """

    def __init__(self, most: int = 0) -> None:
        super().__init__()
        self._most = most
        self._door: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._door is not None
        return f"influxdb://:{TOKEN}@127.0.0.1:{self._door.server_port}/org/bucket"

    def __enter__(self) -> Self:
        super().__enter__()
        self._door = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._door.daemon_threads = True
        Thread(target=self._door.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._door is not None:
            self._door.shutdown()
            self._door.server_close()
        super().__exit__(kind, error, traceback)

    def prepare(self) -> None:
        config = _CONFIG.format(port=self.port, rpc=free_port(), most=self._most)
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
        """Rows of an InfluxQL query, as dicts; ``time`` in nanoseconds."""
        parameters = {"db": "bucket", "q": query, "epoch": "ns"}
        answer = requests.post(f"{self.inner}/query", params=parameters, timeout=10)
        [result] = answer.json(parse_int=int)["results"]
        return [
            dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
            for series in result.get("series", [])
            for row in series["values"]
        ]


def _door(server: InfluxDB) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
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
                self._pass_on(body, query.get("precision", "ns"))

        def _pass_on(self, body: bytes, precision: str) -> None:
            parameters = {"db": "bucket", "precision": precision}
            try:
                answer = requests.post(
                    f"{server.inner}/write", params=parameters, data=body, timeout=30
                )
            except requests.RequestException:
                # Not there: hang up, as a server that went away would.
                self.close_connection = True
                self.connection.close()
                return
            # Version 2 answers 204 to a body without lines, this one 400.
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
            """Say nothing."""

    return Door
