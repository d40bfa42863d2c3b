"""Measures outgoing calls of ``requests`` and everything else that uses urllib3.

urllib3 has no events, so the method that sends every call is wrapped.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from time import perf_counter_ns
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from ..capture.current_measurements import current_measurements
from ..capture.tracing import outgoing_headers

# The method calls itself for each retry and redirect, which belong to the same call.
_calling: ContextVar[bool] = ContextVar("flask_chest_calling", default=False)


def attach() -> None:
    """Wrap the method. Does nothing the second time."""
    original = HTTPConnectionPool.urlopen
    if hasattr(original, "_chest_measured"):
        return

    @wraps(original)
    def urlopen(pool: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        measurements = current_measurements("requests")
        if measurements is None or _calling.get():
            return original(pool, method, url, *args, **kwargs)
        args, kwargs = _with_trace(pool, args, kwargs)
        token = _calling.set(True)
        began = perf_counter_ns()
        try:
            return original(pool, method, url, *args, **kwargs)
        finally:
            spent = perf_counter_ns() - began
            _calling.reset(token)
            measurements.add("http", spent)
            measurements.add_named("http", str(pool.host), spent)

    urlopen._chest_measured = True  # type: ignore[attr-defined]
    HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign,assignment]


def _with_trace(
    pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the trace's headers, unless the call has them already."""
    # urlopen(method, url, body, headers, ...)
    given = args[1] if len(args) > 1 else kwargs.get("headers")
    headers = pool.headers if given is None else given
    if headers is not None and any(str(name).lower() == "traceparent" for name in headers):
        return args, kwargs
    trace = outgoing_headers()
    if not trace:
        return args, kwargs
    if headers is None:
        headers = trace
    else:
        headers = headers.copy() if hasattr(headers, "copy") else dict(headers)
        for name, value in trace.items():
            headers[name] = value
    if len(args) > 1:
        return (args[0], headers, *args[2:]), kwargs
    return args, {**kwargs, "headers": headers}
