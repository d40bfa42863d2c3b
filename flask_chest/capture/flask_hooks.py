"""Connects a recorder to Flask: signals, and the end of application contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask import Flask, g, has_app_context
from flask.signals import (
    appcontext_pushed,
    got_request_exception,
    request_finished,
    request_started,
)

from .command_name import note_start
from .commands_and_jobs import BackgroundContexts
from .current_measurements import current_job, current_measurements
from .job_state import JobState
from .middleware_bypass import SignalFallback
from .request_recorder import Recorder
from .request_state import RequestState, current_request
from .tracing import has_opentelemetry, opentelemetry_span

if TYPE_CHECKING:
    from flask.wrappers import Response


class FlaskHooks:
    """Gives a recorder what only Flask knows: ``g``, the response, the exception.

    The middleware starts and finishes each request; these hooks see it in between.

    :param recorder: the recorder of the app.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._background = BackgroundContexts(
            recorder.plans,
            recorder.encoder,
            recorder.facts,
            recorder.details,
            recorder.recorded_globals,
        )
        self._fallback = SignalFallback(recorder)

    def connect(self) -> None:
        """Connect to the app's signals, and to the end of its contexts."""
        recorder = self._recorder

        # Functions: blinker creates a method object again for each signal and inspects it.
        def on_finished(sender: Flask, response: Response, **_: Any) -> None:
            state = current_request.get()
            if state is not None and state.recorder is recorder:
                state.response = response
                recorder.snapshot_request(state)
            else:
                self._fallback.on_response(response)

        def on_exception(sender: Flask, exception: BaseException, **_: Any) -> None:
            state = current_request.get()
            if state is not None and state.recorder is recorder:
                recorder.snapshot_request(state)
                state.error = exception
            else:
                self._fallback.on_exception(exception)

        def on_context_end(exc: BaseException | None) -> None:
            state = current_request.get()
            # A job may have a copy of the context of a request that is over.
            if state is None or state.recorder is not recorder or state.recorded is True:
                self._record_context(exc)
            elif exc is not None and state.response is None:
                self._save_g(state)

        self._receivers = (on_finished, on_exception)  # signals keep only weak references
        request_finished.connect(on_finished, recorder.app)
        got_request_exception.connect(on_exception, recorder.app)
        # Every request ends a context, and the signal for that costs three times as much as a
        # function that Flask calls. Flask calls the first one last, after others that may put
        # values on g.
        recorder.app.teardown_appcontext_funcs.insert(0, on_context_end)
        self._connect_if_needed()

    def _connect_if_needed(self) -> None:
        recorder = self._recorder
        if click.get_current_context(silent=True) is not None:
            # Only a process that runs a command pays for this signal.
            appcontext_pushed.connect(self._note_start, recorder.app)
        if has_opentelemetry():
            request_finished.connect(self._read_span, recorder.app)
        if recorder.facts is not None and recorder.facts.has_cpu_time:
            request_started.connect(self._start_cpu_time, recorder.app)

    def finish_job(self, job: JobState, error: BaseException | None) -> None:
        """Write the record of a job.

        :param error: the exception that ended the job, if any.
        """
        try:
            if not job.recorded:
                made = self._background.encode_job(job, error, self._recorder.tags)
                job.recorded = True
                if made is not None:
                    self._recorder.hand_over(*made)
        except Exception:  # noqa: BLE001 - a job never fails because of Flask-Chest
            self._recorder.log_failure("record a job")

    def _start_cpu_time(self, sender: Flask, **_: Any) -> None:
        state, facts = current_request.get(), self._recorder.facts
        if facts is not None and state is not None and state.recorder is self._recorder:
            facts.start_cpu_time(state)

    def _note_start(self, sender: Flask, **_: Any) -> None:
        if current_request.get() is None:
            note_start()

    def _read_span(self, sender: Flask, **_: Any) -> None:
        # OpenTelemetry ends its span before the record is written.
        state = current_request.get()
        if state is None or state.recorder is not self._recorder:
            return
        try:
            span = opentelemetry_span()
            if span is not None:
                measurements = current_measurements()
                if measurements is not None and measurements.trace is None:
                    measurements.trace = span
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self._recorder.log_failure("read OpenTelemetry's span")

    def _save_g(self, state: RequestState) -> None:
        try:
            # Flask sends no other signal for SystemExit and similar exceptions. They may end
            # contexts within the request as well; the request's own context ends last.
            state.g_at_teardown = g._get_current_object()
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self._recorder.log_failure("read a request that ends")

    def _record_context(self, error: BaseException | None) -> None:
        if not has_app_context():
            return  # the contexts of a stream that nobody closed end in another thread
        try:
            job = current_job.get()
            if job is not None and job.recorder is self._recorder and not job.recorded:
                job.take(g._get_current_object())
                return
            made = self._background.encode(g._get_current_object(), error, self._recorder.tags)
            if made is not None:
                self._recorder.hand_over(*made)
        except Exception:  # noqa: BLE001 - a command never fails because of Flask-Chest
            self._recorder.log_failure("record a command or a job")
