"""Records that belong to a trace as spans: the message, and the chest with a collector."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flask_chest import Record
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.otlp.spans import SpanEncoder
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import encode
from tests.servers.collector import TYPE, Collector, attributes_of
from tests.servers.http import Reply, Request

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "a2fb4a1d1a96d312"
RECORD = Record(
    id="0" * 31 + "1",
    time=datetime(2026, 12, 1, tzinfo=timezone.utc),
    request_id="r-1",
    trace_id=TRACE,
    method="GET",
    route="/pay",
    status=500,
    duration_ms=250.5,
    error="shop.Declined",
    vars={
        "span_id": SPAN,
        "parent_id": PARENT,
        "tracestate": "vendor=1",
        "exception.message": "declined",
        "exception.stacktrace": "Traceback",
        "db.count": 3,
    },
    tags={"service": "shop"},
)


def spans_of(body: bytes | None) -> list[Any]:
    message = ExportTraceServiceRequest()
    message.ParseFromString(body or b"")
    return [
        span
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def encoded(*records: Record) -> list[Any]:
    return spans_of(SpanEncoder({}).encode(map(encode, records), "app"))


def test_a_failed_request() -> None:
    """The span of a request has its parent, its times, its error as an event, and variables."""
    [span] = encoded(RECORD)
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.trace_state)
    assert ids == (TRACE, SPAN, PARENT, "vendor=1")
    assert (span.name, span.kind, span.status.code) == ("GET /pay", 2, 2)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 250_500_000
    [event] = span.events
    assert (event.name, attributes_of(event)) == (
        "exception",
        {
            "exception.type": "shop.Declined",
            "exception.message": "declined",
            "exception.stacktrace": "Traceback",
        },
    )
    attributes = attributes_of(span)
    assert attributes["db.count"] == 3
    assert attributes["http.response.status_code"] == 500
    assert attributes["chest.id"] == RECORD.id
    assert not {"span_id", "parent_id", "exception.message"} & set(attributes)


def test_jobs_and_commands() -> None:
    """A job is a consumer, a command is internal; both have their own names."""
    job = replace(RECORD, kind="job", endpoint="shop.mail", status=None, error=None)
    command = replace(job, kind="command", endpoint="import")
    assert [(span.name, span.kind) for span in encoded(job, command)] == [
        ("shop.mail", 5),
        ("import", 1),
    ]


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, trace_id=None),
        replace(RECORD, trace_id="0" * 32),
        replace(RECORD, duration_ms=None),
        replace(RECORD, vars={}),
        replace(RECORD, vars={"span_id": "x"}),
        replace(RECORD, vars={"span_id": 7}),
    ],
)
def test_records_that_are_no_spans(record: Record) -> None:
    """Without a trace, a span id or a duration there is no span, and without spans no request."""
    assert SpanEncoder({}).encode([encode(record)], "app") is None


class TracesToo(Collector):
    """A collector that keeps spans as well, unless its ``answer_to_spans`` says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Any] = []
        self.answer_to_spans = Reply(200, TYPE, b"")

    def answer(self, request: Request) -> Reply:
        if request.path != "/v1/traces":
            return super().answer(request)
        if self.answer_to_spans.status == 200:
            self.spans += spans_of(request.body)
        return self.answer_to_spans


@pytest.fixture
def server() -> Iterator[TracesToo]:
    with TracesToo() as made:
        yield made


def test_the_chest_sends_both(server: TracesToo) -> None:
    """Each record is a log record, and those in a trace are spans, too."""
    chest = FlaskChestOTLP(server.url, spans=True)
    chest.write([RECORD, replace(RECORD, id="2" * 32, trace_id=None)])
    chest.close()
    assert (len(server.records), len(server.spans)) == (2, 1)
    without = FlaskChestOTLP(server.url)
    without.write([RECORD])
    without.close()
    assert (len(server.records), len(server.spans)) == (3, 1)


def test_a_collector_without_traces(server: TracesToo, caplog: pytest.LogCaptureFixture) -> None:
    """It still gets the log records; a warning says what to do."""
    server.answer_to_spans = Reply(404, {}, b"")
    chest = FlaskChestOTLP(server.url, spans=True, logger=logging.getLogger("flask_chest"))
    chest.write([RECORD])
    chest.close()
    assert len(server.records) == 1
    assert "leave 'spans' off" in caplog.text


def test_a_collector_that_is_down_for_traces(server: TracesToo) -> None:
    """The batch waits, so that neither is lost."""
    server.answer_to_spans = Reply(503, {}, b"")
    chest = FlaskChestOTLP(server.url, spans=True)
    with pytest.raises(DeliveryError):
        chest.write([RECORD])
    chest.close()
    assert server.records == []
