"""Lines that are converted to line protocol without being decoded."""

from __future__ import annotations

from flask import Response, g, stream_with_context

from flask_chest.app.state import get_state
from flask_chest.chests.influxdb.line_protocol import LineEncoder
from flask_chest.chests.influxdb.line_templates import LineTemplates
from flask_chest.record.json_line import SHARED, loads
from tests.apps import Site

SOME_TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def captured(site: Site) -> list[bytes]:
    """A list of the lines that a site records from now on."""
    lines: list[bytes] = []
    get_state(site.app).sink.hand_over = lambda line, mask: lines.append(line)
    return lines


def has_template(templates: LineTemplates, line: bytes) -> bool:
    """Whether a line has a template after two lines of its shape."""
    record = loads(line)
    for _ in range(2):
        templates.learn(line, record, "series", [*record["vars"]])
    return matches(templates, line)


def matches(templates: LineTemplates, line: bytes) -> bool:
    at = line.rfind(SHARED)
    return any(match(line, 0, at) for match, _ in templates.by_suffix.get(line[at:], ()))


def test_records_of_requests(site: Site) -> None:
    """Records of plain requests, of streams and of requests with a trace have templates."""

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
    assert all(has_template(LineTemplates(), line) for line in lines)


def test_other_records_of_a_route(site: Site) -> None:
    """A template serves all records of its route, with any numbers and texts."""

    @site.app.get("/<int:number>")
    def view(number: int) -> str:
        g.number, g.name = number * 1000, "x" * number
        return "ok"

    lines = captured(site)
    for number in range(5):
        site.client.get(f"/{number}")
    templates = LineTemplates()
    assert has_template(templates, lines[0])
    assert all(matches(templates, line) for line in lines)
    fresh = [LineEncoder("m", {}).encode([line])[0] for line in lines]
    assert LineEncoder("m", {}).encode(lines) == fresh
