"""Fuzzes the errors of every chest: no secret is in one, whatever a hostile store answers."""

from __future__ import annotations

import base64
import logging
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_chest.chests.base import AppInfo, Chest
from flask_chest.chests.factory import make_chest
from flask_chest.errors import ChestError
from flask_chest.testing import make_records
from tests.chests.test_secret_scrubbing import QUOTES
from tests.servers.http import HTTPRecorder, Reply

# Each example is a connection.
pytestmark = pytest.mark.server


def postgresql(text: bytes, request: bytes) -> bytes:
    """Return an answer of PostgreSQL: an error with the given text."""
    if request[4:8] == struct.pack("!i", 80877103):
        return b"N"
    fields = b"SFATAL\0VFATAL\0C28P01\0M" + text.replace(b"\0", b"") + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def mysql(text: bytes, request: bytes) -> bytes:
    """Return an answer of MySQL: an error in place of the greeting."""
    body = b"\xff" + struct.pack("<H", 1045) + text[:60_000]
    return struct.pack("<I", len(body))[:3] + b"\0" + body


def redis(text: bytes, request: bytes) -> bytes:
    """Return an answer of Redis: an error."""
    return b"-WRONGPASS " + text.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"


def mongodb(text: bytes, request: bytes) -> bytes:
    """Return an answer of MongoDB: a command that failed."""
    document = bson.encode({"ok": 0, "errmsg": text.decode("utf-8", "replace"), "code": 18})
    number = request[4:8] or b"\0\0\0\0"
    if request[12:16] == struct.pack("<i", 2013):
        body = struct.pack("<i", 0) + b"\0" + document
        opcode = 2013
    else:
        body = struct.pack("<iqii", 8, 0, 0, 1) + document
        opcode = 1
    return struct.pack("<i", len(body) + 16) + number + number + struct.pack("<i", opcode) + body


# A store's answer, and the URL of its chest. MySQL's server speaks first.
SPOKEN: dict[str, tuple[Callable[[bytes, bytes], bytes], str]] = {
    "postgresql": (postgresql, "postgresql://me:{secret}@127.0.0.1:{port}/db"),
    "mysql": (mysql, "mysql://me:{secret}@127.0.0.1:{port}/db"),
    "redis": (redis, "redis://me:{secret}@127.0.0.1:{port}/0"),
    "mongodb": (
        mongodb,
        "mongodb://me:{secret}@127.0.0.1:{port}/db?directConnection=true&connectTimeoutMS=2000",
    ),
}
HTTP = {
    "path": "http://127.0.0.1:{port}/{secret}/end",
    "query": "http://127.0.0.1:{port}/hook?key={secret}",
    "user": "http://me:{secret}@127.0.0.1:{port}/hook",
    "otlp": "otlp+http://me:{secret}@127.0.0.1:{port}/{secret}",
    "influxdb": "influxdb://:{secret}@127.0.0.1:{port}/org/bucket",
    "clickhouse": "clickhouse://me:{secret}@127.0.0.1:{port}/db",
}


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        with suppress(OSError):
            if server.answer is mysql:
                self.request.sendall(server.answer(server.text, b""))
            while request := self.request.recv(65536):
                self.request.sendall(server.answer(server.text, request))


class HostileServer(socketserver.ThreadingTCPServer):
    """Answers everything with one error, in the words of a store."""

    allow_reuse_address = daemon_threads = True
    block_on_close = False
    answer: Callable[[bytes, bytes], bytes]
    text = b""


@pytest.fixture(scope="module")
def spoken() -> Iterator[HostileServer]:
    with HostileServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Echo(HTTPRecorder):
    """Answers with a text in the body, the reason and a header."""

    status = 401
    text = ""

    def answer(self, request: Any) -> Reply:
        told = f"{self.text} {request.path} {dict(request.headers)}"
        return Reply(self.status, {"X-Echo": quote(told)[:4000]}, told.encode("utf-8", "replace"))


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as server:
        yield server


SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=30)
FORMS = st.lists(st.sampled_from(sorted(set(QUOTES) - {"its token"})), min_size=1, max_size=3)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SPARING = settings(max_examples=max(10, settings().max_examples // 5))


def quoted(secret: str, forms: list[str], around: str) -> str:
    """Return a text with a secret in several forms."""
    return MARK + around.join(QUOTES[each](secret) for each in forms)


def assert_hidden(secret: str, texts: list[str], around: str) -> None:
    """No form of a secret is in any of the texts."""
    for form in (
        secret,
        quote(secret, safe=""),
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.b64encode(f"me:{secret}".encode()).decode().rstrip("="),
    ):
        for text in texts:
            assert form not in text.replace(around or "\0", "") or form in around, text


class _Texts(logging.Handler):
    """Keeps the messages of a chest's logger, also those at level DEBUG."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


#: A word of a store's text, which belongs into the log at level DEBUG only.
MARK = "zzebraz"


def everything_said(chest: Chest) -> list[str]:
    """Return everything that a chest says while it fails. Its errors are in our own words."""
    seen = _Texts()
    logger = logging.getLogger("flask_chest")
    level = logger.level
    logger.addHandler(seen)
    logger.setLevel(logging.DEBUG)
    said = [repr(chest), chest.describe(), chest.location() or ""]
    try:
        for call in (chest.check, lambda: chest.write(make_records(1))):
            try:
                call()
            except ChestError as error:
                said += [str(error), repr(error)]
        chest.close()
    finally:
        logger.removeHandler(seen)
        logger.setLevel(level)
    assert MARK not in "".join(said)
    assert "".join(said).isprintable()
    return [*said, *seen.texts]


def is_telling(secret: str) -> bool:
    """Return whether a text that contains the secret must have got it from the secret."""
    return secret.strip() == secret and len(set(secret) - set("0123456789/:.-_ ")) >= 4


@SPARING
@given(st.sampled_from(sorted(SPOKEN)), SECRETS, FORMS, AROUND)
def test_drivers(
    spoken: HostileServer, scheme: str, secret: str, forms: list[str], around: str
) -> None:
    """The error of a database's driver."""
    assume(is_telling(secret))
    spoken.answer, url = SPOKEN[scheme]
    spoken.text = quoted(secret, forms, around).encode("utf-8", "replace")
    port = spoken.server_address[1]
    chest = make_chest(url.format(secret=quote(secret, safe=""), port=port))
    chest.bind(AppInfo(instance_path=Path(), timeout=0.3))
    assert_hidden(secret, everything_said(chest), around)


@SPARING
@given(
    st.sampled_from(sorted(HTTP)),
    SECRETS,
    FORMS,
    AROUND,
    st.sampled_from([200, 204, 302, 400, 401, 404, 422, 429, 500, 503]),
)
def test_http(
    echo: Echo, how: str, secret: str, forms: list[str], around: str, status: int
) -> None:
    """The error of a server that is reached over HTTP."""
    assume(is_telling(secret))
    assume(how not in {"influxdb", "path", "otlp"} or secret.isascii())
    echo.status, echo.text = status, quoted(secret, forms, around)
    chest = make_chest(HTTP[how].format(secret=quote(secret, safe=""), port=echo.port))
    assert_hidden(secret, everything_said(chest), around)
