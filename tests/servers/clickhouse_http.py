"""Serves the HTTP interface of ClickHouse on top of its engine in this process (chDB).

The arguments are port, folder, user, password and the maximum size of a body (0 for no limit); for
TLS, also certificate and key. The engine is ClickHouse's own. Of the protocol, this implements only
the parts that clickhouse-connect uses: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import ssl
import sys
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

# URL parameters of the protocol; the engine has no settings with these names.
_TRANSPORT = {
    "query",
    "database",
    "session_id",
    "query_id",
    "compress",
    "decompress",
    "default_format",
    "client_protocol_version",
    "wait_end_of_query",
    "enable_http_compression",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "cancel_http_readonly_queries_on_client_close",
}
_PARAMETER = "param_"
_INSERT = re.compile(r"^\s*(INSERT\s+INTO\s+.+?)\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)


class Engine:
    """The engine in a folder; each statement runs in a new session."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        # Keep a connection open: the engine stops when its last connection is closed.
        self._first = self._open()
        self._lock = threading.Lock()

    def run(self, sql: str, body: bytes, settings: dict[str, str], database: str) -> Any:
        with self._lock:
            connection = self._open()
            try:
                if database:
                    connection.query(f"USE `{database}`")
                # Set "readonly" last: after it, no setting can be changed.
                names = sorted(settings, key=lambda each: each == "readonly")
                given = [f"{n} = '{settings[n]}'" for n in names if not n.startswith(_PARAMETER)]
                if given:
                    connection.query(f"SET {', '.join(given)}")
                if body:
                    return _insert(connection, sql, body)
                return connection.query(sql, _format(sql), params=_parameters(settings))
            finally:
                connection.close()

    def _open(self) -> Any:
        connect: Any = chdb.connect
        return connect(self._folder)


def _parameters(settings: dict[str, str]) -> dict[str, str]:
    named = (name for name in settings if name.startswith(_PARAMETER))
    return {name.removeprefix(_PARAMETER): settings[name] for name in named}


def _split_body(body: bytes) -> tuple[str, bytes]:
    """Return the statement and the data that follows it."""
    head, _, rest = body.partition(b"\n")
    if head[:6].upper() == b"INSERT" and _INSERT.match(head.decode()):
        return head.decode(), rest
    return body.decode(), b""


def _insert(connection: Any, sql: str, body: bytes) -> Any:
    found = _INSERT.match(sql)
    if found is None:
        return connection.query(f"{sql}\n{body.decode()}", "TabSeparated")
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        return connection.query(f"{found[1]} FROM INFILE '{file.name}' FORMAT {found[2]}")


def _format(sql: str) -> str:
    found = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", sql, re.IGNORECASE)
    return found[1] if found else "TabSeparated"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, the body waits until the client has acknowledged the head.
    disable_nagle_algorithm = True
    engine: Engine
    allowed: str
    max_body_bytes: int

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self._answer(b"".join(iter(self._chunk, b"")))
            return
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_: object) -> None:
        """Log no requests."""

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _answer(self, body: bytes) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if urlsplit(self.path).path == "/ping":
            self._send(200, b"Ok.\n")
            return
        if not hmac.compare_digest(self.headers.get("Authorization", ""), self.allowed):
            reason = "Authentication failed: password is incorrect, or there is no such user."
            self._fail(f"Code: 516. DB::Exception: {reason} (AUTHENTICATION_FAILED)", 403)
            return
        if len(body) > self.max_body_bytes:
            self._refuse_length()
            return
        sql = given.get("query", "")
        if not sql:
            sql, body = _split_body(body)
        settings = {name: value for name, value in given.items() if name not in _TRANSPORT}
        try:
            result = self.engine.run(sql, body, settings, given.get("database", ""))
        except Exception as error:
            self._fail(str(error), 500)
            return
        self._send(200, result.bytes() or b"", _format(sql), result)

    def _fail(self, message: str, status: int) -> None:
        found = re.search(r"Code: (\d+)", message)
        self.send_response(status)
        self.send_header("X-ClickHouse-Exception-Code", found[1] if found else "1002")
        self._finish(message.encode() + b"\n")

    def _refuse_length(self) -> None:
        # As a proxy does it: with its own page, without an error of ClickHouse.
        self.send_response(413)
        self._finish(b"<html><h1>413 Request Entity Too Large</h1></html>")

    def _send(self, status: int, content: bytes, kind: str = "", result: Any = None) -> None:
        self.send_response(status)
        if kind and content:
            self.send_header("X-ClickHouse-Format", kind)
        if result is not None:
            rows = str(result.rows_read())
            summary = json.dumps({"read_rows": rows, "written_rows": rows})
            self.send_header("X-ClickHouse-Summary", summary)
        self._finish(content)

    def _finish(self, content: bytes) -> None:
        self.send_header("Content-Length", str(len(content)))
        # The client may have closed the connection after a timeout.
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(content)


def main() -> None:
    port, folder, user, password, max_body_bytes, *tls = sys.argv[1:]
    Handler.max_body_bytes = int(max_body_bytes) or sys.maxsize
    Handler.engine = Engine(str(Path(folder).absolute()))
    Handler.engine.run(f"CREATE DATABASE IF NOT EXISTS `{user}`", b"", {}, "")
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    Handler.allowed = f"Basic {credentials}"
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
        server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
