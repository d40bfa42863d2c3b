"""Records Celery's tasks, by Celery's signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery, signals
from celery.exceptions import TaskRevokedError
from flask import Flask

from ..capture.job_state import REQUEST_ID
from .job_runs import JobRuns

_KEYS = ("traceparent", "tracestate", REQUEST_ID)


def record_jobs(celery: Celery, app: Flask) -> None:
    """Record each task that a worker runs, and join it to the request that has sent it.

    Call it where both exist, in the web process and in the worker.

    :param celery: the Celery app whose tasks are recorded.
    :param app: an app with a ``FlaskChest``.

    .. versionadded:: 1.0
    """
    _Receivers(celery, JobRuns(app, "celery")).connect()


class _Receivers:
    def __init__(self, celery: Celery, runs: JobRuns) -> None:
        self._celery = celery
        self._runs = runs

    def connect(self) -> None:
        # The signals hold the receivers: nobody else does.
        for signal, receiver in (
            (signals.before_task_publish, self.before_publish),
            (signals.task_prerun, self.before_run),
            (signals.task_postrun, self.after_run),
            (signals.task_failure, self.on_failure),
            (signals.task_retry, self.on_retry),
            (signals.task_revoked, self.on_revoked),
        ):
            signal.connect(receiver, weak=False)

    def before_publish(self, headers: Any = None, **_: Any) -> None:
        if isinstance(headers, dict) and self._runs.is_recording:
            for name, value in self._runs.headers().items():
                headers.setdefault(name, value)

    def before_run(self, sender: Any = None, task_id: str = "", **_: Any) -> None:
        if not self._is_own(sender):
            return
        request = sender.request
        sent = self._runs.headers() if request.is_eager else _headers_of(request)
        self._runs.begin(
            task_id,
            sender.name,
            queue=_queue_of(request),
            retries=request.retries,
            headers=sent,
        )

    def on_failure(
        self, sender: Any = None, task_id: str = "", exception: Any = None, **_: Any
    ) -> None:
        if not self._is_own(sender) or not isinstance(exception, BaseException):
            return
        if self._runs.is_running(task_id):
            self._runs.fail(task_id, exception)
        else:
            # The worker's parent process reports that it has killed the task, or lost its process.
            self._runs.record_lost(task_id, sender.name, exception)

    def on_retry(
        self, sender: Any = None, request: Any = None, reason: Any = None, **_: Any
    ) -> None:
        cause = getattr(reason, "exc", None) or reason
        if self._is_own(sender) and request is not None and isinstance(cause, BaseException):
            self._runs.note(request.id, cause)

    def after_run(self, sender: Any = None, task_id: str = "", state: Any = None, **_: Any) -> None:
        if self._is_own(sender):
            self._runs.end(task_id, job_state=str(state or "").lower() or None)

    def on_revoked(
        self, sender: Any = None, request: Any = None, terminated: bool = False, **_: Any
    ) -> None:
        if self._is_own(sender) and terminated and request is not None:
            error = TaskRevokedError("terminated")
            headers = _headers_of(request)
            self._runs.record_lost(
                request.id, sender.name, error, headers=headers, job_state="revoked"
            )

    def _is_own(self, task: Any) -> bool:
        return getattr(task, "app", None) is self._celery


def _headers_of(request: Any) -> Mapping[str, Any]:
    # Celery's context of a task has each header as an attribute.
    return {name: getattr(request, name, None) for name in _KEYS}


def _queue_of(request: Any) -> str | None:
    delivery = getattr(request, "delivery_info", None) or {}
    queue = delivery.get("routing_key")
    return queue if isinstance(queue, str) else None
