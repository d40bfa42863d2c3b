"""Streams and files: when they are recorded, and that they reach the server unchanged."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Response,
    g,
    send_file,
    stream_with_context,
)
from werkzeug.test import EnvironBuilder, run_wsgi_app

from ..apps import Site


def test_a_stream_with_context(site: Site) -> None:
    """The record is made at the end of the stream, with the generator's values on ``g``."""

    @site.app.get("/")
    def view() -> Response:
        g.view = 1

        def rows() -> Iterator[str]:
            for g.rows in range(1, 4):
                yield "row\n"

        return Response(stream_with_context(rows()))

    response = site.client.get("/", buffered=False)
    chunks = response.iter_encoded()
    next(chunks)
    assert site.records == []
    assert len(b"".join(chunks)) == 8
    response.close()
    record = site.only()
    assert record.vars == {"view": 1, "rows": 3}
    assert (record.bytes_sent, record.disconnected, record.status) == (12, False, 200)
    assert (record.route, record.error) == ("/", None)


def test_a_stream_without_context(site: Site) -> None:
    """A stream that cannot reach ``g`` is recorded at its end, with the view's values."""

    @site.app.get("/")
    def view() -> Response:
        g.view = 1
        return Response(iter([b"ab", b"cd"]), mimetype="application/octet-stream")

    assert site.client.get("/").data == b"abcd"
    record = site.only()
    assert record.vars == {"view": 1}
    assert (record.bytes_sent, record.disconnected) == (4, False)


def test_a_stream_that_is_dropped(site: Site) -> None:
    """The record of a body that is closed early says so, and how many bytes were sent."""

    @site.app.get("/")
    def view() -> Response:
        def rows() -> Iterator[str]:
            try:
                while True:
                    yield "row\n"
            finally:
                g.cleaned_up = True

        return Response(stream_with_context(rows()))

    body, _, _ = run_wsgi_app(site.app, EnvironBuilder().get_environ(), buffered=False)
    iterator = iter(body)
    assert [next(iterator), next(iterator)] == [b"row\n", b"row\n"]
    assert site.records == []
    body.close()  # type: ignore[attr-defined]
    record = site.only()
    assert (record.bytes_sent, record.disconnected) == (8, True)
    assert record.vars == {"cleaned_up": True}


def test_a_stream_that_breaks(site: Site) -> None:
    """An exception within a stream reaches the server, and the record names it."""

    @site.app.get("/")
    def view() -> Response:
        def rows() -> Iterator[str]:
            yield "row\n"
            g.rows = 1
            raise LookupError

        return Response(stream_with_context(rows()))

    with pytest.raises(LookupError):
        site.client.get("/", buffered=True)
    record = site.only()
    assert (record.error, record.bytes_sent, record.vars) == ("LookupError", 4, {"rows": 1})


def test_a_stream_that_nobody_reads(site: Site) -> None:
    """HEAD of a stream is recorded though no body is sent."""

    @site.app.get("/")
    def view() -> Response:
        g.view = 1
        return Response(iter(["never sent"]))

    assert site.client.head("/").data == b""
    assert site.only().vars == {"view": 1}


def test_a_stream_that_is_dropped_unread(tmp_path: Path) -> None:
    """A body that nobody reads ends at once, also if ``start_response`` is in the environment."""
    site = Site(tmp_path)
    ended: list[bool] = []
    served = site.app.wsgi_app

    def keeps(environ: Any, start_response: Any) -> Any:
        environ["kept"] = start_response
        return served(environ, start_response)

    @site.app.get("/")
    def view() -> Response:
        def parts() -> Iterator[str]:
            try:
                yield "first"
            finally:
                ended.append(True)

        return Response(stream_with_context(parts()))

    site.app.wsgi_app = keeps  # type: ignore[method-assign]
    gc.disable()
    try:
        with site.recording():
            body = site.app(EnvironBuilder().get_environ(), lambda *_: lambda _: None)
            assert next(iter(body)) == b"first"
            del body
            assert ended
    finally:
        gc.enable()


def test_streams_in_turns(site: Site) -> None:
    """Streams that one thread sends in turns keep their generators' variables apart."""

    @site.app.get("/<name>")
    def view(name: str) -> Response:
        def rows() -> Iterator[str]:
            for number in range(3):
                setattr(g, f"{name}{number}", number)
                yield name

        return Response(stream_with_context(rows()))

    turns = []
    for path in ("/a", "/b"):
        own = copy_context()  # as each greenlet has one
        environ = EnvironBuilder(path).get_environ()
        body, _, _ = own.run(run_wsgi_app, site.app, environ, buffered=False)
        turns.append(partial(own.run, next, iter(body), None))
    while sum(turn() is not None for turn in turns):
        pass
    assert [record.vars for record in site.records] == [
        {"a0": 0, "a1": 1, "a2": 2},
        {"b0": 0, "b1": 1, "b2": 2},
    ]


def test_an_error_page_is_not_a_stream(site: Site) -> None:
    """The page of ``abort()`` is complete, so it is recorded before it is sent."""
    body, status, _ = run_wsgi_app(site.app, EnvironBuilder("/missing").get_environ())
    assert status.upper() == "404 NOT FOUND"  # Werkzeug 3.2 writes "Not Found"
    record = site.only()
    assert record.bytes_sent is None
    assert b"Not Found" in b"".join(body)


@pytest.mark.parametrize(("status", "length", "streamed"), [(404, 5, 0), (404, 0, 1), (200, 5, 1)])
def test_an_error_page_of_another_werkzeug(
    site: Site, status: int, length: int, streamed: int
) -> None:
    """A page of known length within some iterator is complete; other iterators are streams."""
    headers = {"Content-Length": str(length)} if length else {}
    body = chain([b"never"], ())
    site.app.add_url_rule("/", "view", lambda: Response(body, status, headers))
    sent, _, _ = run_wsgi_app(site.app, EnvironBuilder("/").get_environ())
    assert len(site.records) == 1 - streamed
    assert b"".join(sent) == b"never"
    sent.close()  # type: ignore[attr-defined]
    assert site.only().bytes_sent == (5 if streamed else None)


class Wrapper:
    """A ``wsgi.file_wrapper`` as a server offers it."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file)

    def close(self) -> None:
        self.file.close()


def test_the_file_wrapper_stays_intact(site: Site, tmp_path: Path) -> None:
    """The server gets its own file wrapper back, so that it can use ``sendfile()``."""
    (tmp_path / "report.txt").write_text("report")

    @site.app.get("/")
    def view() -> Response:
        g.report = 7
        return send_file(tmp_path / "report.txt")

    environ = {**EnvironBuilder().get_environ(), "wsgi.file_wrapper": Wrapper}
    body = site.app(environ, lambda *_: lambda _: None)
    assert type(body) is Wrapper
    assert site.only().vars == {"report": 7}
    assert b"".join(body) == b"report"
    body.close()
    assert len(site.records) == 1


def test_a_file_that_is_not_on_disk(site: Site) -> None:
    """``send_file`` of a file in memory leaves one record."""

    @site.app.get("/")
    def view() -> Response:
        g.report = 7
        return send_file(io.BytesIO(b"report"), mimetype="text/plain")

    assert site.client.get("/").data == b"report"
    assert site.only().vars == {"report": 7}
