"""Outgoing calls of requests and httpx: count, time by host, and the trace that they carry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import requests

from flask_chest.record.traceparent import TraceContext

from ..apps import Site

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class Peer:
    """A server on loopback that keeps the headers of its requests."""

    def __init__(self) -> None:
        seen = self.seen = []  # type: list[dict[str, str]]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
                again = self.path == "/again" and len(seen) == 1
                self.send_response(302 if again else 200)
                if again:
                    self.send_header("Location", "/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def by_requests(url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10).text


def by_httpx(url: str) -> str:
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        return client.get(url, timeout=10).text


def by_async_httpx(url: str) -> str:
    async def call() -> str:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            return (await client.get(url, timeout=10)).text

    return asyncio.run(call())


CALLS = pytest.mark.parametrize(
    ("measure", "call"),
    [("requests", by_requests), ("httpx", by_httpx), ("httpx", by_async_httpx)],
)


@CALLS
def test_a_call(
    make_site: Callable[..., Site], peer: Peer, measure: str, call: Callable[[str], str]
) -> None:
    """It counts by host, carries the caller's trace, and the record has the ids that it carries."""
    site = make_site(CHEST_MEASURE=[measure])
    site.app.add_url_rule("/", "view", lambda: call(peer.url))
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    assert site.client.get("/", headers=headers).status_code == 200
    record = site.only()
    variables: Any = record.vars
    assert variables["http.ms"] == variables["http.127.0.0.1.ms"] > 0
    [sent] = peer.seen
    trace = TraceContext(PARENT[3:35], variables["span_id"], flags="00", state="vendor=1")
    assert {name: sent[name] for name in trace.headers()} == trace.headers()
    assert record.trace_id == PARENT[3:35]
    assert variables["parent_id"] == "00f067aa0ba902b7"
    assert variables["tracestate"] == "vendor=1"


@CALLS
def test_a_trace_that_begins_here(
    make_site: Callable[..., Site], peer: Peer, measure: str, call: Callable[[str], str]
) -> None:
    """Without a caller's trace, the record's id is the trace; a request without calls has none."""
    site = make_site(CHEST_MEASURE=[measure])
    site.app.add_url_rule("/", "view", lambda: call(f"{peer.url}/again"))
    site.app.add_url_rule("/none", "none", lambda: "ok")
    site.client.get("/")
    record = site.take()
    assert record.trace_id == record.id
    assert record.vars["span_id"] == record.id[16:]
    assert "parent_id" not in record.vars
    expected = f"00-{record.id}-{record.id[16:]}-01"
    assert [each["traceparent"] for each in peer.seen] == [expected] * 2
    site.client.get("/none")
    assert (site.take().trace_id, len(site.records)) == (None, 0)


@CALLS
def test_a_host_that_does_not_answer(
    make_site: Callable[..., Site], peer: Peer, measure: str, call: Callable[[str], str]
) -> None:
    """The call's own exception reaches the view, and its time counts."""
    site = make_site(CHEST_MEASURE=[measure])
    peer.close()

    @site.app.get("/")
    def view() -> str:
        with pytest.raises((requests.ConnectionError, httpx.ConnectError)):
            call(peer.url)
        return "ok"

    assert site.client.get("/").status_code == 200
    assert site.only().vars["http.ms"] > 0  # type: ignore[operator]


@CALLS
def test_outside_of_requests(
    make_site: Callable[..., Site], peer: Peer, measure: str, call: Callable[[str], str]
) -> None:
    """Flask-Chest changes no call of other code, e.g. of delivery."""
    make_site(CHEST_MEASURE=[measure])
    call(peer.url)
    assert "traceparent" not in peer.seen[0]


def test_a_call_that_has_a_trace(make_site: Callable[..., Site], peer: Peer) -> None:
    """OpenTelemetry's instrumentation, or the app itself, has set the header already."""
    site = make_site(CHEST_MEASURE=["requests", "httpx"])

    @site.app.get("/")
    def view() -> str:
        httpx.get(peer.url, headers={"TraceParent": PARENT}, trust_env=False)
        with requests.Session() as session:
            session.trust_env = False
            session.get(peer.url, headers={"TraceParent": PARENT}, timeout=10)
        return "ok"

    site.client.get("/")
    assert [each["traceparent"] for each in peer.seen] == [PARENT, PARENT]
    record = site.only()
    assert (record.trace_id, record.vars["http.count"]) == (None, 2)
