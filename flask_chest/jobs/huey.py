"""Records Huey's tasks, by Huey's signals and hooks."""

from __future__ import annotations

from typing import Any

from flask import Flask
from huey import signals
from huey.api import Huey

from .job_runs import JobRuns

# The key in Huey's storage that holds the sender of a task, until the task is executed.
_KEY = "flask_chest.{}"
_NEVER_RUN = (signals.SIGNAL_REVOKED, signals.SIGNAL_EXPIRED)
_STOPPED = (signals.SIGNAL_CANCELED, signals.SIGNAL_INTERRUPTED)


def record_jobs(huey: Huey, app: Flask) -> None:
    """Record each task that a consumer executes, and join it to the request that has sent it.

    A task that a request sends needs one more entry in Huey's storage, which the consumer removes.

    :param huey: the Huey object, in the web process and in the consumer.
    :param app: an app with a ``FlaskChest``.

    .. versionadded:: 1.0
    """
    receivers = _Receivers(huey, JobRuns(app, "huey"))
    huey.signal(signals.SIGNAL_ENQUEUED)(receivers.on_enqueued)
    huey.signal(signals.SIGNAL_EXECUTING)(receivers.on_executing)
    huey.signal(*_NEVER_RUN)(receivers.on_never_run)
    huey.signal(*_STOPPED)(receivers.on_stopped)
    huey.post_execute("flask_chest")(receivers.after_execution)


class _Receivers:
    def __init__(self, huey: Huey, runs: JobRuns) -> None:
        self._huey = huey
        self._runs = runs

    def on_enqueued(self, signal: str, task: Any) -> None:
        sent = self._runs.headers()
        if sent:
            self._huey.put(_KEY.format(task.id), sent)

    def on_executing(self, signal: str, task: Any) -> None:
        sent = self._huey.get(_KEY.format(task.id))
        self._runs.begin(
            task.id,
            task.name,
            queue=self._huey.name,
            retries=None,
            headers=sent if isinstance(sent, dict) else {},
        )

    def after_execution(self, task: Any, task_value: Any, error: Any) -> None:
        if isinstance(error, BaseException) and task.retries:
            self._runs.note(task.id, error)
            # The next try has the same sender.
            self._huey.put(_KEY.format(task.id), self._runs.headers())
            self._runs.end(task.id, job_state="retry")
            return
        self._runs.end(task.id, error if isinstance(error, BaseException) else None)

    def on_never_run(self, signal: str, task: Any) -> None:
        self._huey.get(_KEY.format(task.id))

    def on_stopped(self, signal: str, task: Any) -> None:
        # After post_execute it has ended already, and this does nothing.
        self._runs.end(task.id, job_state=signal)
