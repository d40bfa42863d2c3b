"""The C code owns what it uses while Python code runs that drops all other references.

Without that, these tests read freed memory, which the sanitizers report.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from typing import Any
from unittest.mock import patch

import pytest

from flask_chest._speedups import SegmentAppender
from flask_chest.capture.request_state import RequestState

from .sides import SUFFIX, begun, recorder


class Key(str):
    """A key of a dict that runs a function when it is compared."""

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        self.run()
        return False

    run: Any = staticmethod(lambda: None)


class Id(str):
    """A text that is not shared with any other object."""


def fast_line(state: RequestState) -> bytes | None:
    return state.fast_line(None, {("a",)}, 100, SUFFIX, 10_000)


class Namespace:
    """A ``g`` with one variable."""

    def __init__(self) -> None:
        self.a = 1


def ready(environ: dict[str, Any] | None = None) -> RequestState:
    """Return a request whose record can be encoded."""
    state = begun({} if environ is None else environ)
    state.g, state.status = Namespace(), 200
    return state


def test_an_environ_that_is_dropped_while_it_is_searched() -> None:
    """A key of the environment replaces the environment."""
    key = Key("HTTP_TRACEPARENT")
    state = ready({key: 1})
    key.run = lambda: setattr(state, "environ", {})
    assert fast_line(state) is not None


def test_an_environ_that_is_dropped_at_the_start() -> None:
    """The same when the request id is looked up."""
    key = Key("HTTP_X_REQUEST_ID")
    state: Any = RequestState.__new__(RequestState)
    key.run = lambda: setattr(state, "environ", {})
    state.__init__(recorder(), {key: 1}, print)
    assert state.request_id == state.id


@pytest.mark.parametrize("name", ["id", "request_id", "g", "environ", "recorder"])
def test_attributes_that_a_clock_drops(name: str) -> None:
    """A clock that a test has replaced drops an attribute while the line is built."""
    state = ready()
    if name in ("id", "request_id"):
        setattr(state, name, "".join(["x"] * 30))
    clock = time.perf_counter

    def drop() -> float:
        if name in ("id", "request_id"):
            setattr(state, name, "y" * 30)
        else:
            delattr(state, name)
        return clock()

    with patch.object(time, "perf_counter", drop):
        line = fast_line(state)
    assert line is None or b"x" * 30 in line or name not in ("id", "request_id")


def test_a_g_that_drops_itself() -> None:
    """A ``g`` whose ``__dict__`` is a property replaces the ``g`` of the request."""

    class Odd:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            state.g = None
            return {"a": 1}

    state = ready()
    state.g = Odd()
    assert fast_line(state) is not None or state.g is None


@pytest.mark.parametrize("name", ["recorder", "request_id"])
def test_attributes_that_a_status_drops(name: str) -> None:
    """Code that reads the status drops an attribute before the response starts."""

    class Dropping(RequestState):
        __slots__ = ()

        def parse_status(self, status: str) -> int | None:  # type: ignore[override]
            delattr(self, name)
            return None

    started: list[Any] = []
    environ: dict[str, Any] = {"HTTP_X_REQUEST_ID": "given"}
    server: Any = lambda *arguments: started.extend(arguments)  # noqa: E731
    state = Dropping(recorder(), environ, server)
    state.start_response("words", [])
    assert started == ["words", [("X-Request-ID", "given")]]


def test_a_server_that_begins_the_request_again() -> None:
    """A server whose function drops itself."""

    class Server:
        def __call__(self, *_: Any) -> Any:
            state.__init__(recorder(), {}, print)  # type: ignore[misc]
            return "write"

    state = begun({}, Server())
    assert state.start_response("200 OK", []) == "write"  # type: ignore[comparison-overlap]


def test_headers_that_change() -> None:
    """A header that drops itself from the list while its name is read."""

    class Header:
        def __getitem__(self, index: int) -> str:
            headers.clear()
            return "X-A"

    headers: list[Any] = [Header(), Header()]
    calls: list[Any] = []
    begun({}, lambda *arguments: calls.append(arguments)).start_response("200 OK", headers)
    assert len(calls) == 1


def test_counts_that_are_dropped_during_a_write() -> None:
    """Another thread takes the counts while the write waits without the GIL."""
    read, write = os.pipe()
    appender: Any = SegmentAppender()
    appender.descriptor = write
    appender.size, appender.limit, appender.full = 0, 1 << 30, False
    appender.counts = defaultdict(int)
    line = b"x" * 1_000_000  # more than a pipe holds
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(appender.append(line, 1)))
    thread.start()
    first = os.read(read, 1)  # the write has begun
    del appender.counts
    size = len(first)
    while size < len(line) + 24:
        size += len(os.read(read, 1 << 20))
    thread.join()
    os.close(read)
    os.close(write)
    assert done == [True]


def test_a_count_that_drops_itself() -> None:
    """A count that is no number runs code that replaces itself."""

    class Count:
        def __index__(self) -> int:
            counts.clear()
            return 4

    counts: Any = {1: Count()}
    read, write = os.pipe()
    appender: Any = SegmentAppender()
    appender.descriptor = write
    appender.size, appender.limit, appender.full, appender.counts = 0, 1 << 30, False, counts
    assert appender.append(b"line", 1)
    os.close(read)
    os.close(write)
    assert counts == {1: 5}
