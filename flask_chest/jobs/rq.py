"""Records RQ's jobs, by a job class: RQ has no signals."""

from __future__ import annotations

from typing import Any

from flask import Flask
from rq.job import Job

from .job_runs import JobRuns

# The key in a job's meta.
_META = "flask_chest"


class WorkHorseKilledError(Exception):
    """The process that ran a job was killed."""


def record_jobs(app: Flask, base: type[Job] = Job) -> type[Job]:
    """Return a job class whose jobs are recorded, and joined to the request that has sent them.

    Give it to queues and workers, and keep it in a module, where RQ finds it by its name::

        RecordedJob = record_jobs(app)
        queue = Queue(connection=redis, job_class=RecordedJob)
        worker = Worker(
            [queue], connection=redis, job_class=RecordedJob,
            work_horse_killed_handler=RecordedJob.on_killed,
        )

    :param app: an app with a ``FlaskChest``.
    :param base: the job class that it extends.

    .. versionadded:: 1.0
    """
    runs = JobRuns(app, "rq")

    class RecordedJob(base):  # type: ignore[misc,valid-type]
        """A job that is recorded."""

        @classmethod
        def create(cls, *args: Any, **kwargs: Any) -> Job:
            job: Job = super().create(*args, **kwargs)
            if sent := runs.headers():
                job.meta[_META] = sent
            return job

        def perform(self) -> Any:
            with runs.running(self.id, _name_of(self), **_options_of(self)):
                return super().perform()

        @staticmethod
        def on_killed(job: Job, *_: Any) -> None:
            """Record a job whose process was killed: a worker's ``work_horse_killed_handler``."""
            error = WorkHorseKilledError("the process that ran the job was killed")
            runs.record_lost(job.id, _name_of(job), error, **_options_of(job))

    return RecordedJob


def _name_of(job: Any) -> str:
    try:
        return str(job.func_name)
    except Exception:  # noqa: BLE001 - its data cannot be read; RQ reports that itself
        return "(unknown)"


def _options_of(job: Any) -> dict[str, Any]:
    sent = (job.meta or {}).get(_META)
    retries = getattr(job, "number_of_retries", None)
    return {
        "queue": job.origin,
        "retries": retries if isinstance(retries, int) else 0,
        "headers": sent if isinstance(sent, dict) else {},
    }
