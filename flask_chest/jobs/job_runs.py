"""The jobs that run in this process: begun and ended by the events of their library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask

from ..app.state import AppState, find_state
from ..capture.job_state import JobState, message_headers
from ..typing import Plain

#: OpenTelemetry's names: https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/
QUEUE, MESSAGE_ID, SYSTEM = "messaging.destination.name", "messaging.message.id", "messaging.system"
RETRIES, STATE = "job.retries", "job.state"
_NOTHING: Mapping[str, Any] = {}
# Jobs whose end is never reported, e.g. because a middleware raised, must not fill the memory.
_MAX_RUNNING = 10_000


class JobRuns:
    """Makes the records of the jobs that one library runs for one app.

    :param app: an app with a ``FlaskChest``; without one, nothing is recorded.
    :param system: the library's name.
    """

    def __init__(self, app: Flask, system: str) -> None:
        self._app = app
        self._system = system
        self._running: dict[str, JobState] = {}

    @property
    def is_recording(self) -> bool:
        """Whether the app has a ``FlaskChest`` that is switched on."""
        return find_state(self._app) is not None

    def is_running(self, key: str) -> bool:
        """Return whether a job has begun here and has not ended."""
        return key in self._running

    def begin(
        self,
        key: str,
        name: str,
        *,
        queue: str | None = None,
        retries: int | None = None,
        headers: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Note that a job begins in this thread or greenlet.

        :param key: the id of the job's message.
        :param name: the name of the job's function.
        :param queue: the name of its queue, if any.
        :param retries: how often the job was retried before.
        :param headers: what its message carries, see :func:`message_headers`.
        """
        state = find_state(self._app)
        if state is None:
            return
        try:
            job = self._make(state, key, name, queue, retries, headers)
            job.enter()
            if len(self._running) >= _MAX_RUNNING:
                self._running.clear()
            self._running[key] = job
        except Exception:  # noqa: BLE001 - a job never fails because of Flask-Chest
            state.recorder.log_failure("begin the record of a job")

    def end(
        self, key: str, error: BaseException | None = None, job_state: str | None = None
    ) -> None:
        """Write the record of a job that was begun here; any other call does nothing.

        :param error: the exception that ended the job, if any.
        :param job_state: how it ended, in the library's words; default ``failure`` or ``success``.
        """
        job, state = self._running.pop(key, None), find_state(self._app)
        if job is None or state is None:
            return
        error = error or job.failure
        job.variables[STATE] = job_state or ("success" if error is None else "failure")
        state.hooks.finish_job(job, error)
        job.leave()

    def fail(self, key: str, error: BaseException) -> None:
        """Note the exception with which a job is about to end."""
        job = self._running.get(key)
        if job is not None:
            job.failure = error

    def note(self, key: str, error: BaseException) -> None:
        """Note an error that does not end a job, e.g. because the job is retried."""
        job = self._running.get(key)
        if job is not None and job.measurements is not None:
            job.measurements.note(error)

    def record_lost(
        self,
        key: str,
        name: str,
        error: BaseException,
        *,
        queue: str | None = None,
        retries: int | None = None,
        headers: Mapping[str, Any] = _NOTHING,
        job_state: str = "failure",
    ) -> None:
        """Write the record of a job whose process could not, e.g. because it was killed.

        The record has no duration. Parameters as for :meth:`begin` and :meth:`end`.
        """
        state = find_state(self._app)
        if state is None:
            return
        try:
            job = self._make(state, key, name, queue, retries, headers)
            job.variables[STATE] = job_state
            state.hooks.finish_job(job, error)
        except Exception:  # noqa: BLE001 - a worker never fails because of Flask-Chest
            state.recorder.log_failure("record a job that was killed")

    @contextmanager
    def running(self, key: str, name: str, **options: Any) -> Iterator[None]:
        """Record the job that runs within the ``with`` block; parameters as for :meth:`begin`."""
        self.begin(key, name, **options)
        try:
            yield
        except BaseException as error:
            self.end(key, error)
            raise
        self.end(key)

    def headers(self) -> dict[str, str]:
        """Return what the message of a job must carry that is sent from here."""
        return message_headers()

    def _make(
        self,
        state: AppState,
        key: str,
        name: str,
        queue: str | None,
        retries: int | None,
        headers: Mapping[str, Any],
    ) -> JobState:
        variables: dict[str, Plain] = {
            SYSTEM: self._system,
            QUEUE: queue,
            MESSAGE_ID: str(key),
            RETRIES: retries,
        }
        return JobState(state.recorder, name, headers, variables)
