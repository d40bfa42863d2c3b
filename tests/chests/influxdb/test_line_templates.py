"""Which lines take the short way to line protocol."""

from __future__ import annotations

from flask import Response, g, stream_with_context

from flask_chest.app.state import get_state
from flask_chest.chests.influxdb.line_protocol import LineEncoder
from flask_chest.chests.influxdb.line_templates import LineTemplates
from flask_chest.record.encoding import SHARED, loads
from tests.apps import Site

SOME_TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def captured(site: Site) -> list[bytes]:
    """The lines of a site's records, as they are from now on."""
    lines: list[bytes] = []
    get_state(site.app).sink.hand_over = lambda line, mask: lines.append(line)
    return lines


def knows(shapes: LineTemplates, line: bytes) -> bool:
    """Whether the short way is known of a line like this one, seen twice before."""
    record = loads(line)
    for _ in range(2):
        shapes.learn(line, record, "series", [*record["vars"]])
    return finds(shapes, line)


def finds(shapes: LineTemplates, line: bytes) -> bool:
    at = line.rfind(SHARED)
    return any(match(line, 0, at) for match, _ in shapes.by_suffix.get(line[at:], ()))


def test_what_capture_makes(site: Site) -> None:
    """Records of requests take the short way: plain ones, streams, and those within a trace."""

    @site.app.get("/plain/<int:number>")
    def plain(number: int) -> str:
        g.number, g.name, g.share, g.cached = number, "a name", 0.5, True
        return "ok"

    @site.app.get("/stream")
    def stream() -> Response:
        g.number = 1
        return Response(stream_with_context(iter(["a", "b"])))

    lines = captured(site)
    for path, headers in (("/plain/7", {}), ("/plain/7", SOME_TRACE), ("/stream", {})):
        assert site.client.get(path, headers=headers).data
    assert len(lines) == 3
    assert all(knows(LineTemplates(), line) for line in lines)


def test_other_records_of_a_route(site: Site) -> None:
    """A shape serves all records of its route, whatever their numbers and texts."""

    @site.app.get("/<int:number>")
    def view(number: int) -> str:
        g.number, g.name = number * 1000, "x" * number
        return "ok"

    lines = captured(site)
    for number in range(5):
        site.client.get(f"/{number}")
    shapes = LineTemplates()
    assert knows(shapes, lines[0])
    assert all(finds(shapes, line) for line in lines)
    fresh = [LineEncoder("m", {}).encode([line])[0] for line in lines]
    assert LineEncoder("m", {}).encode(lines) == fresh
