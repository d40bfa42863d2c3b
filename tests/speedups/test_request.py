"""The start of a request and of its response: C and Python do the same."""

from __future__ import annotations

import gc
import os
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from flask_chest._speedups import SegmentAppender
from flask_chest.capture import request_state
from flask_chest.capture.request_state import RequestState

from .sides import NOW, SUFFIX, begun, in_python, opened, recorder, stopped


@pytest.mark.parametrize("kind", ["compiled", "python"])
@pytest.mark.parametrize(
    ("environ", "generator", "expected"),
    [
        ({}, None, None),
        ({"HTTP_X_REQUEST_ID": "given-1"}, None, "given-1"),
        ({"HTTP_X_REQUEST_ID": "not an id"}, None, None),
        ({"HTTP_X_REQUEST_ID": None}, None, None),
        ({}, lambda: "made", "made"),
        ({"HTTP_X_REQUEST_ID": "given-1"}, lambda: "made", "given-1"),
    ],
)
def test_a_request_begins(
    kind: str, environ: dict[str, Any], generator: Any, expected: str | None
) -> None:
    """A request has the valid id that was sent, else the app's generated id, else the record's."""

    def generate_request_id(state: Any, generator: Callable[[], str]) -> None:
        state.request_id = generator()

    start = request_state if kind == "compiled" else in_python(request_state)
    made_by = recorder(request_id_generator=generator, generate_request_id=generate_request_id)
    with stopped():
        state = start.RequestState(made_by, environ, print)
    assert state.request_id == (expected or state.id)
    assert len(state.id) == 32
    assert (state.started, state.time) == (1000.0, NOW)
    assert state.recorder is made_by
    assert state.environ is environ
    nothing = (state.g, state.g_at_teardown, state.response, state.error, state.encoding)
    assert nothing == (None,) * 5
    assert (state.status, state.recorded, state.id_generated) == (None, False, False)
    assert (state.echo_request_id, state.start_unknown) == (True, False)


def test_a_generator_that_fails() -> None:
    """An exception of Python code that C calls reaches the caller."""

    def generate_request_id(*_: Any) -> None:
        raise RuntimeError("no id")

    with pytest.raises(RuntimeError, match="no id"):
        begun({}, request_id_generator=print, generate_request_id=generate_request_id)
    with pytest.raises(AttributeError):
        RequestState(object(), {}, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        RequestState(recorder(), {})  # type: ignore[call-arg]


HEADERS: list[Any] = [
    [],
    [("Content-Type", "text/plain")],
    [("X-REQUEST-ID", "theirs")],
    [("Content-Type", "text/plain"), ("x-request-id", "theirs"), ("Vary", "*")],
    (("Vary", "*"),),
    (("X-Request-Id", "theirs"),),
    [["Vary", "*"], ["X-Request-ID", "theirs"]],
    [("X-Request-I\u212a", "no"), ("\ud800", "no"), ("X-Request-IDs", "no")],
]


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
@pytest.mark.parametrize(
    "status", ["200 OK", "404", "99 x", "words", "", "  7", "-12 x", "2\u0662\u0662"]
)
@pytest.mark.parametrize("more", [(), (None,), (("kind", "value", "trace"),)], ids=repr)
def test_a_response_starts(headers: Any, status: str, more: tuple[Any, ...]) -> None:
    """The server gets the same from both, and the app's headers are not changed."""
    seen: list[Any] = []
    for start in (request_state, in_python(request_state)):
        for echoed in (True, False):
            calls: list[Any] = []

            def server(*arguments: Any, calls: list[Any] = calls) -> str:
                calls.append(arguments)
                return "write"

            state = start.RequestState(recorder(), {"HTTP_X_REQUEST_ID": "given"}, server)
            state.echo_request_id = echoed
            before = list(headers)
            assert state.start_response(status, headers, *more) == "write"
            assert list(headers) == before
            seen.append((echoed, state.status, calls))
    assert seen[:2] == seen[2:]


def test_wrong_arguments_of_start_response() -> None:
    """Keyword arguments work; a wrong number of arguments raises an error as in Python."""
    calls: list[Any] = []
    state = begun({"HTTP_X_REQUEST_ID": "given"}, lambda *arguments: calls.append(arguments))
    state.start_response(status="200 OK", headers=[], exc_info=None)
    state.start_response("200 OK", [], exc_info=("kind",))
    assert calls == [
        ("200 OK", [("X-Request-ID", "given")]),
        ("200 OK", [("X-Request-ID", "given")], ("kind",)),
    ]
    start: Any = state.start_response
    wrong: list[tuple[Any, ...]] = [(), ("200 OK",), ("200 OK", [], None, 4)]
    for arguments in wrong:
        with pytest.raises(TypeError):
            start(*arguments)
    by_name: list[dict[str, Any]] = [
        {"headers": []},
        {"status": "1", "exc_info": None},
        {"other": 1},
    ]
    for named in by_name:
        with pytest.raises(TypeError):
            start("200 OK", [], **named)


def test_an_exception_of_the_server() -> None:
    """An exception of the server reaches the caller of ``start_response``."""

    def server(*_: Any) -> Any:
        raise AssertionError("Headers already set!")

    with pytest.raises(AssertionError, match="already set"):
        begun({}, server).start_response("200 OK", [])


@pytest.mark.parametrize("nanoseconds", [-1, -1_500, 10**21, 1.7e18, -2.5e18, 0])
def test_odd_clocks(nanoseconds: float) -> None:
    """Both read a clock that a test has frozen to a float, before 1970 or in the far future."""
    seen = []
    with patch.object(time, "time_ns", lambda: nanoseconds):
        for start in (request_state, in_python(request_state)):
            state = start.RequestState(recorder(), {}, print)
            seen.append((state.time, state.id[:15]))
    assert seen[0] == seen[1]


def test_a_request_that_has_not_begun() -> None:
    """Without ``__init__``, or with deleted attributes, nothing crashes."""
    empty = RequestState.__new__(RequestState)
    assert empty.fast_line(None, set(), 1, SUFFIX, 2048) is None
    with pytest.raises(RuntimeError, match="no request has begun"):
        empty.start_response("200 OK", [])
    for name in ("recorder", "environ", "id", "request_id", "g", "status", "error", "recorded"):
        state = begun({})
        state.status, state.g = 200, SimpleNamespace(user=1)
        delattr(state, name)
        with pytest.raises(AttributeError):
            getattr(state, name)
        state.fast_line(None, {("user",)}, 100, SUFFIX, 2048)
    line: Any = begun({}).fast_line
    wrong: list[tuple[Any, ...]] = [
        (),
        (None, (), 1, SUFFIX, 2048),
        (7, set(), 1, SUFFIX, 2),
        (None, set(), 1, "", 2),
    ]
    for arguments in wrong:
        with pytest.raises(TypeError):
            line(*arguments)


def test_a_request_is_freed() -> None:
    """The garbage collector frees a request's objects, even in a cycle."""

    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    environ: dict[str, Any] = {"held": held}
    environ["circle"] = begun(environ)
    del held, environ
    gc.collect()
    assert gone() is None


def test_requests_leak_no_memory() -> None:
    """A thousand requests leave as much memory in use as a hundred."""

    def serve(count: int) -> int:
        for _ in range(count):
            state = begun({"HTTP_X_REQUEST_ID": "given"})
            state.start_response("200 OK", [("Vary", "*")])
            state.g = SimpleNamespace(user=1, tenant="acme")
            state.fast_line(None, {("user", "tenant")}, 100, SUFFIX, 2048)
            state.fast_line(("user", "gone"), {("user",)}, 100, SUFFIX, 2048)
            state.fast_line(None, {("user", "tenant")}, 100, SUFFIX, 20)
            recording.append(SUFFIX, 1)
        gc.collect()
        return sys.getallocatedblocks()

    with opened(SegmentAppender, Path(os.devnull)) as recording:
        before = serve(100)
        after = serve(1000)
    assert after - before < 100
