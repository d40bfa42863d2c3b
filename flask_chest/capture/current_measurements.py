"""Finds the request or job that runs here, and its measurements."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from flask import has_request_context, request

from .measurements import Measurements
from .request_state import ENVIRON_KEY, current_request

#: The job that runs in this thread, task or greenlet, if a library of :mod:`flask_chest.jobs`
#: started it.
current_job: ContextVar[Any] = ContextVar("flask_chest_job", default=None)


def current_subject() -> Any:
    """Return the state of the request or job that runs here; ``None`` if its record is written."""
    subject = current_request.get() or current_job.get() or _bypassing_request()
    return None if subject is None or subject.recorded else subject


def current_measurements(needs: str | None = None) -> Measurements | None:
    """Return the measurements of the request or job that runs here, if any.

    :param needs: what ``CHEST_MEASURE`` must name.
    """
    subject = current_subject()
    if subject is None:
        return None
    app = subject.recorder.details
    if needs is not None and needs not in app.measured:
        return None
    found: Measurements | None = subject.measurements
    if found is None:
        found = subject.measurements = Measurements(app)
    return found


def _bypassing_request() -> Any:
    """Return the state of a request that has reached its app without the middleware."""
    return request.environ.get(ENVIRON_KEY) if has_request_context() else None
