"""Records Dramatiq's messages, by a middleware."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, Middleware
from flask import Flask

from .job_runs import JobRuns

# The key in a message's options.
_OPTION = "flask_chest"


def record_jobs(broker: Broker, app: Flask) -> None:
    """Record each message that a worker processes, and join it to the request that has sent it.

    :param broker: the broker, in the web process and in the worker.
    :param app: an app with a ``FlaskChest``.

    .. versionadded:: 1.0
    """
    broker.add_middleware(_RecordJobs(JobRuns(app, "dramatiq")))


class _RecordJobs(Middleware):
    def __init__(self, runs: JobRuns) -> None:
        self._runs = runs

    def before_enqueue(self, broker: Broker, message: Any, delay: Any) -> None:
        # A message that is enqueued again, to retry or to delay it, keeps its first sender.
        if _OPTION not in message.options and (sent := self._runs.headers()):
            message.options[_OPTION] = sent

    def before_process_message(self, broker: Broker, message: Any) -> None:
        sent = message.options.get(_OPTION)
        self._runs.begin(
            message.message_id,
            message.actor_name,
            queue=message.queue_name,
            retries=message.options.get("retries", 0),
            headers=sent if isinstance(sent, dict) else {},
        )

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        self._runs.end(message.message_id, exception)

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        self._runs.end(message.message_id, job_state="skipped")
