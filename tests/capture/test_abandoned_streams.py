"""Streams that nobody closes: their record is written when the body is collected."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, g, has_app_context, stream_with_context
from werkzeug.test import EnvironBuilder

from flask_chest.app.state import get_state

from ..apps import Site


def begin(site: Site) -> Any:
    """Serve a stream, and return its body after the first chunk."""
    body: Any = site.app(EnvironBuilder("/").get_environ(), lambda *_: print)
    assert next(iter(body)) == b"first"
    return body


@pytest.fixture
def streaming(make_site: Callable[..., Site]) -> Site:
    site = make_site()

    @site.app.get("/")
    def view() -> Response:
        def generate() -> Any:
            g.seen = 1
            yield "first"
            yield "second"

        return Response(stream_with_context(generate()))

    return site


def only(site: Site) -> tuple[Any, ...]:
    record = site.only()
    return record.kind, record.status, dict(record.vars), record.bytes_sent, record.disconnected


# Flask itself cannot end the contexts of another thread.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("thread", [False, True])
def test_an_abandoned_stream(streaming: Site, thread: bool, caplog: Any) -> None:
    """It is the record of a disconnected request, not of a job, in whatever thread it began."""
    bodies: list[Any] = []
    if thread:
        other = threading.Thread(target=lambda: bodies.append(begin(streaming)))
        other.start()
        other.join()
    else:
        bodies.append(begin(streaming))
    with caplog.at_level(logging.WARNING, "flask_chest"):
        bodies.clear()
        gc.collect()
    assert only(streaming) == ("request", 200, {"seen": 1}, 5, True)
    assert caplog.records == []


def test_a_collection_within_delivery(streaming: Site) -> None:
    """A body that is collected within delivery does not wait for the locks of delivery."""
    bodies = [begin(streaming)]
    written = threading.Event()
    sink = get_state(streaming.app).sink
    hand_over = sink.hand_over
    lock = threading.Lock()

    def deliver(line: bytes, mask: int) -> None:
        with lock:
            hand_over(line, mask)
        written.set()

    sink.hand_over = deliver
    # A simulation of a module of delivery, in which the garbage collector runs with a lock.
    module: dict[str, Any] = {"__name__": "flask_chest.delivery.simulated", "lock": lock}
    exec("def collect(bodies):\n    with lock:\n        bodies.clear()", module)
    module["collect"](bodies)
    assert not has_app_context()
    assert written.wait(30)
    assert only(streaming) == ("request", 200, {"seen": 1}, 5, True)
