"""Flask-Chest with OpenTelemetry; marked as server tests, whose environment has both."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import ROOT

pytest.importorskip("opentelemetry.instrumentation.flask")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.tracing import TRACEPARENT, create_app
from flask_chest.testing import capture_records

pytestmark = pytest.mark.server


def test_trace_ids() -> None:
    """Span and record share the trace, a caller's and one that starts in the app."""
    exporter = InMemorySpanExporter()
    app = create_app(exporter, CHEST_CHESTS=["memory://"], CHEST_BUFFER="none")
    client = app.test_client()
    with capture_records(app) as records:
        client.get("/orders/7", headers={"traceparent": TRACEPARENT})
        client.get("/orders/8")
    spans = [span.context for span in exporter.get_finished_spans()]
    called, begun = (f"{span.trace_id:032x}" for span in spans)
    assert called == TRACEPARENT[3:35]
    assert [record.trace_id for record in records] == [called, begun]
    assert [record.vars.get("parent_id") for record in records] == [TRACEPARENT[36:52], None]
    assert [record.vars["span_id"] for record in records] == [f"{s.span_id:016x}" for s in spans]


def test_main() -> None:
    """``python -m examples.tracing`` shows spans and records side by side."""
    command = [sys.executable, "-m", "examples.tracing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    first, second = done.stdout.splitlines()
    assert first.count(TRACEPARENT[3:35]) == 2, done.stderr
    trace_id = second.split()[1]
    assert second.count(trace_id) == 2
