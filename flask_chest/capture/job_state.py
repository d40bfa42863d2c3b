"""The state of one job of a task queue or scheduler, from its start to its record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import Token
from typing import Any

from ..config.rule_matching import Route
from ..record.request_and_record_ids import normalize_request_id, record_ids
from ..record.traceparent import TraceContext, continue_trace
from ..typing import Plain
from .current_measurements import current_job, current_subject
from .flask_g import tracked_namespace
from .measurements import Measurements
from .request_recorder import Recorder
from .request_state import RequestState, current_request
from .tracing import outgoing_headers

#: The key of the request id in a job's message, beside those of the trace.
REQUEST_ID = "chest_request_id"


def message_headers() -> dict[str, str]:
    """Return what a job's message must carry, so that the job is joined to what runs here.

    That is the request id and the trace of the current request or job; nothing outside of both.
    """
    subject = current_subject()
    trace = outgoing_headers()
    return {**trace, REQUEST_ID: subject.request_id} if subject is not None and trace else {}


class JobState:
    """One run of a job. Its record has what the job's app contexts put on ``g``.

    :param recorder: the recorder of the job's app.
    :param name: the job's name, which becomes the record's ``endpoint``.
    :param headers: from :func:`message_headers`; anything else is ignored.
    :param variables: further variables of the record; those that are ``None`` are left out.
    """

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        headers: Mapping[str, Any],
        variables: Mapping[str, Plain],
    ) -> None:
        self.recorder = recorder
        self.name = name
        self.time = int(time.time_ns()) // 1000  # a test library may freeze it to a float
        self.id = record_ids.make(self.time)
        sent = headers.get(REQUEST_ID)
        self.request_id = normalize_request_id(sent) if isinstance(sent, str) else ""
        self.request_id = self.request_id or self.id
        self.measurements: Measurements | None = Measurements(recorder.details)
        self.measurements.trace = continue_trace(
            headers.get("traceparent"), headers.get("tracestate"), self.id[16:]
        )
        self.variables = {name: value for name, value in variables.items() if value is not None}
        #: The variables that the job's app contexts have put on ``g``.
        self.values: dict[str, object] = {}
        self.recorded = False
        #: The exception with which the job is about to end.
        self.failure: BaseException | None = None
        #: Whether the job was started here; otherwise only its end is known.
        self.has_run = False
        self._started = float(time.perf_counter())
        self._tokens: tuple[Token[RequestState | None], Token[Any]] | None = None

    @property
    def trace(self) -> TraceContext | None:
        """The job's trace: its sender's, or one that it has passed on itself."""
        return None if self.measurements is None else self.measurements.trace

    @property
    def trace_id(self) -> str | None:
        """The id of the trace, if any."""
        return None if self.trace is None else self.trace.trace_id

    @property
    def environ(self) -> Mapping[str, Any]:
        """The WSGI environment: a job has none."""
        return {}

    def duration_ms(self) -> float:
        """Return the milliseconds since the job began."""
        return round(max(float(time.perf_counter()) - self._started, 0.0) * 1000, 3)

    def enter(self) -> None:
        """Make this the job that runs here. A request around it, e.g. in a test, steps back."""
        self.has_run = True
        self._tokens = current_request.set(None), current_job.set(self)

    def leave(self) -> None:
        """Undo :meth:`enter`."""
        if self._tokens is not None:
            request_token, job_token = self._tokens
            self._tokens = None
            try:
                current_job.reset(job_token)
                current_request.reset(request_token)
            except ValueError:  # the library ends the job in another context
                current_job.set(None)

    def take(self, namespace: Any) -> None:
        """Add what an app context of the job, which ends, has put on ``g``."""
        self.values.update(self.recorder.recorded_globals.unrecorded(namespace))

    def current_variables(self, namespace: Any) -> Mapping[str, Plain]:
        """Return the tracked variables as they are now.

        :param namespace: the ``g`` of the current app context.
        """
        values = {**self.values, **tracked_namespace(namespace)}
        encoding = self.recorder.plans.get(Route(None, self.name, ""))
        return self.recorder.encoder.variables.collect(values, encoding)
