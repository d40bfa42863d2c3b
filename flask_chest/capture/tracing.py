"""The trace of the request or job that runs here: continued from a caller, or begun."""

from __future__ import annotations

import sys
from typing import Any

from ..record.traceparent import TraceContext, continue_trace
from .current_measurements import current_measurements, current_subject
from .measurements import Measurements

_OPENTELEMETRY = "opentelemetry.trace"


def has_opentelemetry() -> bool:
    """Return whether OpenTelemetry's API has been imported."""
    return _OPENTELEMETRY in sys.modules


def outgoing_headers() -> dict[str, str]:
    """Return the trace headers for a call to another service, or for a message to a job.

    The record of the request or job gets the ids that they contain. Outside of both, and if
    anything fails, there are none.
    """
    subject = current_subject()
    measurements = current_measurements()
    if subject is None or measurements is None:
        return {}
    try:
        return begin_trace(subject, measurements).headers()
    except Exception:  # noqa: BLE001 - a call never fails because of Flask-Chest
        subject.recorder.log_failure("pass a trace on")
        return {}


def begin_trace(subject: Any, measurements: Measurements) -> TraceContext:
    """Return the trace of a request or job; begin one if there is none.

    A trace that begins here has the record's id, and the second half of it is the span's id.
    """
    span = opentelemetry_span() if has_opentelemetry() else None
    if span is not None:
        if measurements.trace is None:
            measurements.trace = span
        return span
    if measurements.trace is None:
        measurements.trace = incoming_trace(subject) or TraceContext(subject.id, subject.id[16:])
    return measurements.trace


def incoming_trace(subject: Any) -> TraceContext | None:
    """Return the trace that the caller of a request has sent; ``None`` without a valid one."""
    environ = subject.environ
    traceparent = environ.get("HTTP_TRACEPARENT")
    if traceparent is None:
        return None
    return continue_trace(traceparent, environ.get("HTTP_TRACESTATE"), subject.id[16:])


def known_trace(subject: Any) -> TraceContext | None:
    """Return the trace of a request or job, if it has one."""
    measurements = subject.measurements
    if measurements is not None and measurements.trace is not None:
        found: TraceContext = measurements.trace
        return found
    return incoming_trace(subject)


def opentelemetry_span() -> TraceContext | None:
    """Return the ids of OpenTelemetry's current span; ``None`` without one."""
    api: Any = sys.modules[_OPENTELEMETRY]
    span = api.get_current_span()
    context = span.get_span_context()
    if not context.is_valid:
        return None
    parent = getattr(span, "parent", None)
    return TraceContext(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=None if parent is None else f"{parent.span_id:016x}",
        flags=f"{int(context.trace_flags) & 255:02x}",
        state=context.trace_state.to_header(),
    )
