"""Requests to a real gunicorn: each leaves one record, however it ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from flask_chest import FlaskChestSQLite, Record
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.dead_writer_adoption import Reads
from flask_chest.delivery.journal.journal_buffer import JournalBuffer
from flask_chest.record.json_line import decode

from ..servers.gunicorn import gunicorn
from ..servers.web_server import WebServer
from ..waiting import wait_until

pytestmark = pytest.mark.server

Serve = Callable[..., WebServer]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start the app of ``tests/servers/apps/responses.py`` under gunicorn."""

    def start(*, env: dict[str, str] | None = None, **settings: Any) -> WebServer:
        more = {
            "INSTANCE": str(tmp_path),
            "FLASK_CHEST_EXPORT_INTERVAL": "0.05",
            **(env or {}),
        }
        return gunicorn("tests.servers.apps.responses:app", tmp_path, env=more, **settings)

    return start


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[SQLReader]:
    app = Flask("reader", instance_path=str(tmp_path))
    found = SQLReader(FlaskChestSQLite(app=app))
    yield found
    found.close()


def wait_for(reader: SQLReader, count: int) -> list[Record]:
    """Return the records in the store, once there are enough of them."""
    # SQLite does not notify readers when another process writes.
    wait_until(lambda: len(reader.latest(10_000)) >= count, lambda: str(reader.latest(10_000)))
    return reader.latest(10_000)


def ask(server: WebServer, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(text)
    return connection


@pytest.mark.parametrize("threads", [1, 4])
def test_a_client_that_hangs_up(serve: Serve, reader: SQLReader, threads: int) -> None:
    """A stream ends when its client disconnects, and the record has the bytes that were sent."""
    with serve(threads=threads) as server:
        connection = ask(server, b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100_000)
        connection.close()
        [record] = wait_for(reader, 1)
        assert record.disconnected is True
        assert record.bytes_sent is not None
        assert record.bytes_sent >= 65536
        rows = record.vars["rows"]
        assert isinstance(rows, int)
        assert rows >= 1
        assert (record.route, record.status, record.vars["view"]) == ("/endless", 200, 1)
        assert requests.get(f"{server.url}/pid/1", timeout=60).ok
        assert len(wait_for(reader, 2)) == 2


def test_a_stream_to_its_end(serve: Serve, reader: SQLReader) -> None:
    """The record of a complete stream says that the client stayed."""
    with serve() as server:
        assert requests.get(f"{server.url}/rows/1000", timeout=60).text == "row\n" * 1000
        [record] = wait_for(reader, 1)
    assert (record.bytes_sent, record.disconnected) == (4000, False)
    assert record.vars == {"row": 1000}


def test_a_file(serve: Serve, reader: SQLReader, tmp_path: Path) -> None:
    """``send_file`` still uses gunicorn's file wrapper, which calls ``sendfile()``."""
    content = bytes(range(256)) * 4096
    (tmp_path / "report.bin").write_bytes(content)
    with serve() as server:
        assert requests.get(f"{server.url}/file", timeout=60).content == content
        part = requests.get(f"{server.url}/file", headers={"Range": "bytes=0-9"}, timeout=60)
        assert (part.status_code, part.content) == (206, content[:10])
        records = wait_for(reader, 2)
    assert [record.status for record in records] == [200, 206]
    assert [record.vars["wrapper"] for record in records] == ["FileWrapper"] * 2


def test_an_async_view(serve: Serve, reader: SQLReader) -> None:
    """An ``async def`` view is recorded under a threaded worker as well."""
    with serve(threads=4) as server:
        assert requests.get(f"{server.url}/async", timeout=60).text == "done"
        [record] = wait_for(reader, 1)
    assert (record.route, record.status) == ("/async", 200)
    assert "thread" in record.vars


def test_errors(serve: Serve, reader: SQLReader) -> None:
    """The records contain the same statuses that a browser gets."""
    with serve() as server:
        assert requests.get(f"{server.url}/broken", timeout=60).status_code == 500
        assert requests.get(f"{server.url}/missing", timeout=60).status_code == 404
        assert requests.post(f"{server.url}/async", timeout=60).status_code == 405
        records = wait_for(reader, 3)
    assert [(record.status, record.error) for record in records] == [
        (500, "LookupError"),
        (404, None),
        (405, None),
    ]


def test_a_view_that_ends_the_worker(serve: Serve, reader: SQLReader) -> None:
    """A view that calls ``exit()`` ends its worker, and leaves a record."""
    with serve() as server:
        with suppress(requests.ConnectionError):  # gunicorn answers, or hangs up
            requests.get(f"{server.url}/exit", timeout=60)
        [record] = wait_for(reader, 1)
    assert (record.error, record.status, record.vars) == ("SystemExit", None, {"seen": "so far"})


HOSTILE = [
    b"X-Request-ID: " + b"x" * 10_000 + b"\r\n",
    b"X-Request-ID: '; DROP TABLE chest_records; --\r\n",
    b"X-Request-ID: a%0d%0aSet-Cookie:x\r\n",
    b"X-Request-ID: \xff\xfe\r\n",
    b"X-Request-ID: one\r\nX-Request-ID: two\r\n",
    b"X_Request_ID: smuggled\r\n",
]


def test_hostile_headers(serve: Serve, reader: SQLReader) -> None:
    """An unsafe request id is replaced by the record's own id everywhere."""
    options = ["--limit-request-field_size=16380"]
    with serve(options=options) as server:
        for header in HOSTILE:
            head = b"GET /pid/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            with ask(server, head + header + b"\r\n") as connection:
                answer = b"".join(iter(lambda c=connection: c.recv(65536), b""))  # type: ignore[misc]
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"Set-Cookie" not in answer
        records = wait_for(reader, len(HOSTILE))
    assert [record.request_id for record in records] == [record.id for record in records]


def test_kill_right_after_the_response(serve: Serve, tmp_path: Path) -> None:
    """If a worker is killed right after its response, the record is in the journal."""
    rounds = 8
    with serve(env={"FLASK_CHEST_EXPORTER": "agent"}) as server:
        killed = [kill_after_response(server, number) for number in range(rounds)]
        server.kill()
    records = read_journal(tmp_path / "chest-journal")
    assert [record.vars["number"] for record in records] == list(range(rounds))
    assert [record.vars["pid"] for record in records] == killed


def kill_after_response(server: WebServer, number: int) -> int:
    """Send a request, and kill the worker as soon as the first byte of the response arrives."""
    head = f"GET /pid/{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with ask(server, head.encode()) as connection:
        assert connection.recv(1) == b"H"
        return server.kill_worker()


def read_journal(folder: Path) -> list[Record]:
    """Return the records of all writers in a journal, in the order of the requests.

    A writer that was killed a moment ago may still have its lock.
    """
    scope = JournalScope(folder, "served", ("sqlite",))
    journal = JournalBuffer(scope, 2**28, lambda *_: None, Reads.ALL)
    journal.maintain()
    pages = [source.read("sqlite", 1000) for source in journal.sources()]
    journal.close()
    records = [decode(line) for page in pages if page is not None for line in page.lines]
    return sorted(records, key=lambda record: record.id)
