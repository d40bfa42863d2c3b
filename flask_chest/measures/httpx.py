"""Measures outgoing calls of httpx, sync and async.

httpx has hooks for single clients only, so the method of the transports that sends every call is
wrapped.
"""

from __future__ import annotations

from functools import wraps
from time import perf_counter_ns
from typing import Any

import httpx

from ..capture.current_measurements import current_measurements
from ..capture.measurements import Measurements
from ..capture.tracing import outgoing_headers


def attach() -> None:
    """Wrap both transports. Does nothing the second time."""
    if not hasattr(httpx.HTTPTransport.handle_request, "_chest_measured"):
        _wrap_sync()
        _wrap_async()


def _wrap_sync() -> None:
    owner: Any = httpx.HTTPTransport
    original = httpx.HTTPTransport.handle_request

    @wraps(original)
    def handle_request(transport: Any, request: httpx.Request) -> httpx.Response:
        measurements = _begin(request)
        began = perf_counter_ns()
        try:
            return original(transport, request)
        finally:
            _end(measurements, request, perf_counter_ns() - began)

    handle_request._chest_measured = True  # type: ignore[attr-defined]
    owner.handle_request = handle_request


def _wrap_async() -> None:
    owner: Any = httpx.AsyncHTTPTransport
    original = httpx.AsyncHTTPTransport.handle_async_request

    @wraps(original)
    async def handle_async_request(transport: Any, request: httpx.Request) -> httpx.Response:
        measurements = _begin(request)
        began = perf_counter_ns()
        try:
            return await original(transport, request)
        finally:
            _end(measurements, request, perf_counter_ns() - began)

    owner.handle_async_request = handle_async_request


def _begin(request: httpx.Request) -> Measurements | None:
    measurements = current_measurements("httpx")
    if measurements is not None and "traceparent" not in request.headers:
        for name, value in outgoing_headers().items():
            request.headers[name] = value
    return measurements


def _end(measurements: Measurements | None, request: httpx.Request, spent: int) -> None:
    if measurements is not None:
        measurements.add("http", spent)
        measurements.add_named("http", request.url.host, spent)
