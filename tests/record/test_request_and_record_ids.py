"""Ids of records and requests: which are accepted, generated and sent back."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, abort

from flask_chest._speedups import IdMaker
from flask_chest.record.request_and_record_ids import normalize_request_id, validate_request_id
from flask_chest.record.traceparent import parse_traceparent
from tests import ROOT

from ..apps import Site

NOW = 1_790_000_000_123_456


def test_a_record_id() -> None:
    """An id is a UUID of version 7 with the time in it."""
    made = uuid.UUID(IdMaker().make(NOW))
    assert made.variant == uuid.RFC_4122
    assert made.version == 7
    assert made.int >> 80 == NOW // 1000


def test_record_ids_sort_by_time() -> None:
    """A later record has a greater id, to the microsecond; ids of the same moment differ."""
    maker = IdMaker()
    ids = [maker.make(NOW + n) for n in range(2000)]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {32}
    assert len({maker.make(NOW) for _ in range(1000)}) == 1000


def test_record_ids_of_threads() -> None:
    """Threads never generate the same id."""
    maker = IdMaker()
    made: list[str] = []

    def work() -> None:
        made.extend([maker.make(NOW) for _ in range(2000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


FORK = """
import os
from flask_chest.record.request_and_record_ids import record_ids as ids

print(ids.make(0), flush=True)
if os.fork() == 0:
    print(ids.make(0), flush=True)
else:
    os.wait()
    print(ids.make(0), flush=True)
"""


def test_record_ids_of_a_fork() -> None:
    """A forked process draws random bits of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, check=True, text=True, cwd=ROOT
    )
    before, child, after = (int(line, 16) for line in done.stdout.split())
    assert after - before == 1
    assert abs(child - before) > 2**32


@pytest.mark.parametrize("header", ["a", "A-b_c.9", "0" * 128, str(uuid.UUID(int=7))])
def test_an_accepted_header(site: Site, header: str) -> None:
    """A valid request id is used and sent back."""
    site.app.add_url_rule("/", "home", lambda: "home")
    response = site.client.get("/", headers={"X-Request-ID": header})
    assert site.only().request_id == header
    assert response.headers.getlist("X-Request-ID") == [header]


HOSTILE = [
    "",
    " ",
    "a b",
    "a\r\nSet-Cookie: x=1",
    "a\n",
    "x" * 129,
    "x" * 10_000,
    "'; DROP TABLE chest_records; --",
    "<script>",
    "ä",
    "a\0b",
    "../../etc/passwd",
    "a,b",
]


@pytest.mark.parametrize("header", HOSTILE, ids=lambda header: ascii(header)[:20])
def test_a_hostile_header(site: Site, header: str) -> None:
    """An invalid request id is neither stored nor sent back; the record's id replaces it."""
    site.app.add_url_rule("/", "home", lambda: "home")
    response = site.client.get("/", environ_overrides={"HTTP_X_REQUEST_ID": header})
    record = site.only()
    assert record.request_id == record.id
    assert response.headers.getlist("X-Request-ID") == [record.id]
    assert validate_request_id(header) is None


def test_another_header(make_site: Callable[..., Site]) -> None:
    """The header can have another name, and then only that header is read."""
    site = make_site(CHEST_REQUEST_ID_HEADER="X-Correlation-Id")
    site.app.add_url_rule("/", "home", lambda: "home")
    headers = {"X-Correlation-Id": "right", "X-Request-ID": "wrong"}
    response = site.client.get("/", headers=headers)
    assert site.only().request_id == response.headers["X-Correlation-Id"] == "right"
    assert "X-Request-ID" not in response.headers


@pytest.mark.parametrize("name", ["X-Request-ID", "x-request-id"])
def test_a_header_of_the_view(site: Site, name: str) -> None:
    """A header that the view set is neither duplicated nor changed."""
    site.app.add_url_rule("/", "home", lambda: Response("home", headers={name: "mine"}))
    assert site.client.get("/").headers.getlist("X-Request-ID") == ["mine"]
    assert site.only().request_id == site.records[0].id


@pytest.mark.parametrize("path", ["/missing", "/refused", "/broken", "/stream"])
def test_the_header_on_every_response(site: Site, path: str) -> None:
    """Errors and streams have the request id as well."""

    @site.app.get("/broken")
    def broken() -> str:
        raise LookupError

    site.app.add_url_rule("/refused", "refused", lambda: abort(403))
    site.app.add_url_rule("/stream", "stream", lambda: Response(iter(["x"])))
    response = site.client.get(path)
    assert response.data
    assert response.headers.getlist("X-Request-ID") == [site.only().request_id]


def make_ids(*made: Any) -> Callable[[], Any]:
    """Return a generator of request ids that returns these ids, one after another."""
    left = iter(made)
    return lambda: next(left)


def test_a_generator(make_site: Callable[..., Site]) -> None:
    """The app's generator is called once for each request without a valid id."""
    site = make_site(arguments={"request_id_generator": make_ids("one", 2)})
    site.app.add_url_rule("/", "home", lambda: "home")
    client = site.client
    assert client.get("/").headers["X-Request-ID"] == "one"
    client.get("/", headers={"X-Request-ID": "given"})
    assert client.get("/").headers["X-Request-ID"] == "2"
    assert [record.request_id for record in site.records] == ["one", "given", "2"]


@pytest.mark.parametrize("made", ["a\r\nSet-Cookie: x=1", "a\nb", "ä", "a\x7f", ""])
def test_a_generator_of_odd_ids(make_site: Callable[..., Site], made: str) -> None:
    """An id that does not fit into a header is stored but not sent back."""
    site = make_site(arguments={"request_id_generator": lambda: made})
    site.app.add_url_rule("/", "home", lambda: "home")
    response = site.client.get("/")
    assert site.only().request_id == made
    assert "X-Request-ID" not in response.headers
    assert "Set-Cookie" not in response.headers


class Unspeakable:
    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize("made", [StopIteration, Unspeakable])
def test_a_generator_that_raises(
    make_site: Callable[..., Site], made: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """If the generator raises, the record's own id is used, and one message is logged."""
    generator = make_ids() if made is StopIteration else made
    site = make_site(arguments={"request_id_generator": generator})
    site.app.add_url_rule("/", "home", lambda: "home")
    client = site.client
    client.get("/")
    client.get("/")
    assert [record.request_id for record in site.records] == [each.id for each in site.records]
    assert [each.getMessage() for each in caplog.records] == [
        "Flask-Chest failed to call the request id generator"
    ]


def test_a_long_generated_id() -> None:
    """A generated id has at most 255 characters."""
    assert normalize_request_id("x" * 1000) == "x" * 255
    assert normalize_request_id(7) == "7"


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE),
        (f"00-{TRACE}-{SPAN}-00", TRACE),
        (f"cc-{TRACE}-{SPAN}-01", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TRACE),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"cc-{TRACE}-{SPAN}-01more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        ("x" * 100_000, None),
        ("", None),
    ],
)
def test_traceparent(header: str, expected: str | None) -> None:
    """The trace id is read from headers that the W3C's specification allows, and from no others."""
    assert parse_traceparent(header) == expected


def test_a_trace(site: Site) -> None:
    """The record of a request with ``traceparent`` has the trace id."""
    site.app.add_url_rule("/", "home", lambda: "home")
    site.client.get("/", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    assert site.only().trace_id == TRACE
