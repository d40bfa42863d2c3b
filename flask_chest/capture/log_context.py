"""Collects what each log line of a request or job should have: its ids and tracked variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import g, has_app_context, has_request_context

from ..typing import Plain
from .current_measurements import current_job
from .request_state import RequestState, current_request
from .tracing import known_trace

_NOTHING: Mapping[str, Any] = {}


def log_context() -> Mapping[str, Plain]:
    """Return ``request_id``, ``trace_id`` and the tracked variables of what runs here.

    The variables are redacted as in the record. Without a request or job the result is empty; a
    request that has ended has its ids only.
    """
    state = current_request.get()
    if state is not None:
        return _of_request(state)
    job = current_job.get()
    if job is None:
        return _NOTHING
    namespace = g._get_current_object() if has_app_context() and not job.recorded else None
    variables = job.current_variables(namespace)
    return {**variables, "request_id": job.request_id, "trace_id": job.trace_id}


def _of_request(state: RequestState) -> Mapping[str, Plain]:
    recorder: Any = state.recorder
    variables: Mapping[str, Plain] = _NOTHING
    request_id = state.request_id
    trace = known_trace(state)
    if has_request_context() and not state.recorded:
        if state.encoding is None:
            request_id = recorder.request_id_before_view(state)
        variables = recorder.current_variables()
    return {
        **variables,
        "request_id": request_id,
        "trace_id": None if trace is None else trace.trace_id,
    }
