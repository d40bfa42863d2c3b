"""Records APScheduler's jobs, by an executor: its events do not run where a job does."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from apscheduler.executors.pool import ThreadPoolExecutor
from flask import Flask

from .job_runs import JobRuns


def record_jobs(
    scheduler: Any, app: Flask, *, max_workers: int = 10, alias: str = "default"
) -> None:
    """Record each job that a scheduler runs in threads.

    Call it before the scheduler starts: it adds an executor.

    :param scheduler: a scheduler of APScheduler 3, or Flask-APScheduler's extension.
    :param app: an app with a ``FlaskChest``.
    :param max_workers: threads of the executor.
    :param alias: the name of the executor.
    :raises ValueError: the scheduler has an executor with this name already.

    .. versionadded:: 1.0
    """
    inner = getattr(scheduler, "scheduler", scheduler)
    inner.add_executor(RecordingExecutor(app, max_workers), alias)


class RecordingExecutor(ThreadPoolExecutor):  # type: ignore[misc]
    """An executor whose jobs are recorded.

    :param app: an app with a ``FlaskChest``.
    :param max_workers: threads.

    .. versionadded:: 1.0
    """

    def __init__(self, app: Flask, max_workers: int = 10) -> None:
        super().__init__(max_workers)
        self._runs = JobRuns(app, "apscheduler")

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        super()._do_submit_job(_RecordedJob(job, self._runs), run_times)


class _RecordedJob:
    """A job whose function is recorded; APScheduler reads its attributes when it runs it."""

    def __init__(self, job: Any, runs: JobRuns) -> None:
        self._job = job
        self._runs = runs

    @property
    def func(self) -> Any:
        return partial(_run, self._runs, self._job)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    def __str__(self) -> str:
        return str(self._job)


def _run(runs: JobRuns, job: Any, *args: Any, **kwargs: Any) -> Any:
    # One job may run several times at once.
    with runs.running(f"{job.id}:{uuid4().hex}", str(job.name), queue=job.executor):
        return job.func(*args, **kwargs)
