"""The state of one request, from the middleware to its record."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask
from werkzeug.exceptions import HTTPException

from .._speedups import RequestStart
from ..record.request_and_record_ids import record_ids, validate_request_id
from ..record.traceparent import TraceContext
from ..typing import RequestIdGenerator
from .detail_collector import DetailCollector
from .encoding_cache import EncodingCache
from .flask_g import RecordedGlobals
from .measurements import Measurements
from .record_encoder import RARE_FIELDS, error_name

if TYPE_CHECKING:
    from flask.wrappers import Response

#: The key in the WSGI environment of a request's state, if the request bypassed the middleware.
ENVIRON_KEY = "flask_chest.request"

#: The value of :attr:`RequestState.recorded` from the end of a view that makes its own record to
#: the end of the request.
BY_VIEW = "by view"

#: Further fields of a record: none.
NO_FIELDS: Mapping[str, Any] = {}


@dataclass(slots=True, eq=False)
class RequestFacts:
    """The further facts of one request, if the app has switched any on.

    :param cpu_started: seconds of CPU time that the thread had used when the request began.
    :param thread: the id of that thread; ``None`` if CPU time is not measured.
    :param values: the facts that were read before Flask's contexts ended.
    """

    cpu_started: float = 0.0
    thread: int | None = None
    values: dict[str, Any] = field(default_factory=dict)


class RequestRecorder(Protocol):
    """The parts of the recorder that a request's state and its middleware use."""

    app: Flask
    request_id_header: str
    request_id_header_lower: str
    request_id_environ_key: str
    request_id_generator: RequestIdGenerator | None
    recorded_globals: RecordedGlobals
    details: DetailCollector

    def generate_request_id(self, state: Any, generator: RequestIdGenerator) -> None:
        """Set the request id with the app's generator."""

    def finish(self, state: RequestState, more: Mapping[str, Any] = NO_FIELDS) -> None:
        """Write the record of a request."""

    def log_failure(self, action: str) -> None:
        """Log the exception that is being handled."""


class RequestState(RequestStart):
    """One request on its way through the app.

    :param recorder: the recorder of the request's app.
    :param environ: the WSGI environment.
    :param start_response: the server's ``start_response``.
    """

    __slots__ = ("facts",)

    ids = record_ids
    validate_request_id = staticmethod(validate_request_id)

    recorder: RequestRecorder
    response: Response | None
    encoding: EncodingCache | None
    measurements: Measurements | None
    #: Not set unless the app has switched facts on.
    facts: RequestFacts

    @staticmethod
    def parse_status(status: str) -> int | None:
        """Return the number at the start of a status line."""
        try:
            return int(status[:3])
        except Exception:  # noqa: BLE001 - Werkzeug lets a view return a status without a number
            return None

    def duration_ms(self) -> float:
        """Return the milliseconds since the request began, rounded down to microseconds."""
        elapsed = (float(time.perf_counter()) - self.started) * 1000
        # round() takes three times as long. A test may have set the clock back.
        return int(elapsed * 1000) / 1000 if elapsed > 0 else 0.0

    def varying_fields(self, duration_ms: float) -> dict[str, Any]:
        """Return the fields that differ between records of one route, in their order.

        :param duration_ms: milliseconds that the request took.
        """
        return {
            "id": self.id,
            "time": self.time,
            "request_id": self.request_id,
            "duration_ms": duration_ms,
            "vars": None,
            "status": self.status,
        }

    def rare_fields(self, rate: float, trace: TraceContext | None) -> dict[str, Any]:
        """Return the fields that have their default in most records.

        :param rate: the sample rate.
        :param trace: the trace of the request, if any.
        """
        error = self.error
        return {
            **RARE_FIELDS,
            "trace_id": None if trace is None else trace.trace_id,
            "error": None if error is None else error_name(error),
            "sample_rate": rate,
        }

    def resolve_error(self) -> None:
        """Drop the exception if the response is the one that it asked for; else set the status."""
        error, status = self.error, self.status
        if status is None:
            if isinstance(error, Exception):
                self.status = 500  # what a server answers when an exception reaches it
        elif isinstance(error, HTTPException) and status == status_of_exception(error):
            # Flask sends no signal for such an exception. Flask-RESTful and Flask-RESTX do, for
            # each abort(): https://github.com/flask-restful/flask-restful/blob/0.3.10/flask_restful/__init__.py#L308
            self.error = None


#: The request that is being served in this thread, task or greenlet.
current_request: ContextVar[RequestState | None] = ContextVar("flask_chest_request", default=None)


def status_of_exception(error: BaseException) -> int | None:
    """Return the HTTP status that an exception asks for."""
    if not isinstance(error, HTTPException):
        return 500 if isinstance(error, Exception) else None
    return error.code if error.response is None else error.response.status_code


def _leave_request_to_parent() -> None:
    # The parent serves the request and writes its record. Without this, a context that the child
    # pushes would leave no record, and its end would leave a second one with the parent's id.
    state = current_request.get()
    if state is not None:
        state.recorded = True
        state.environ[ENVIRON_KEY] = state
        current_request.set(None)


os.register_at_fork(after_in_child=_leave_request_to_parent)
