"""Runs the exporter's jobs on APScheduler, in daemon threads that do not delay process exit.

APScheduler's own thread pool is joined at exit, so a store that hangs would make the app hang. And
since Python 3.12 no thread can be started during exit: each thread is therefore started before its
first job is due.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from queue import Queue
from typing import Any

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

#: The name of our executor and job store in a scheduler of the app.
ALIAS = "flask-chest"

# Seconds to wait for the scheduler's thread to end.
_JOIN_TIMEOUT = 0.2

# APScheduler logs each run at level INFO, which would be one line per second in the app's log.
_logger = logging.getLogger("flask_chest.scheduler")
_run_logger = logging.getLogger("flask_chest.scheduler.runs")
_run_logger.setLevel(logging.WARNING)


class DaemonExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler is not typed
    """Runs each job in a daemon thread of its own. A job that is still running is not queued."""

    def __init__(self) -> None:
        super().__init__()
        self._threads: dict[str, _JobThread] = {}

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Run a job that is due. Called by the scheduler."""
        thread = self._threads.get(job.id)
        if thread is not None:
            thread.offer(lambda: self._run(job))

    def prepare(self, job_id: str) -> None:
        """Start the thread of a job that will be scheduled."""
        self._threads[job_id] = _JobThread(job_id)

    def offer(self, job_id: str, task: Callable[[], None]) -> None:
        """Run a function in a job's thread, even if the scheduler does not run."""
        self._threads[job_id].offer(task)

    def stop(self) -> None:
        """End each thread after its current task."""
        for thread in self._threads.values():
            thread.stop()
        self._threads.clear()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self.submit_job(job, run_times)

    def shutdown(self, wait: bool = True) -> None:
        """Do nothing: an app's scheduler calls this at its own end, not at the exporter's."""

    def _run(self, job: Any) -> None:
        now = datetime.now(timezone.utc)
        for event in run_job(job, ALIAS, [now], _run_logger.name):
            if self._scheduler is not None:  # an app's scheduler may not have been started yet
                self._scheduler._dispatch_event(event)


class _JobThread:
    """A daemon thread that runs one task at a time, and queues at most one more."""

    def __init__(self, name: str) -> None:
        # Not a SimpleQueue: gevent cannot patch one that was imported before gevent patched.
        self._queue: Queue[Callable[[], None] | None] = Queue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def offer(self, task: Callable[[], None]) -> None:
        if self._queue.empty():
            self._queue.put(task)

    def stop(self) -> None:
        self._queue.put(None)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:
                _logger.exception("a job of the exporter failed")


class _OwnScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler is not typed
    """Joins its thread with a timeout: a thread from before gevent's patching never ends."""

    def shutdown(self, *arguments: Any, **options: Any) -> None:
        thread = self._thread
        BlockingScheduler.shutdown(self, *arguments, **options)
        thread.join(_JOIN_TIMEOUT)


class Schedule:
    """The named jobs of one exporter, in a scheduler of its own or of the app.

    :param app_name: jobs are named ``flask-chest:<app>:<name>``.
    :param app_scheduler: an APScheduler scheduler or Flask-APScheduler's extension; ``None``
        creates a scheduler.
    """

    def __init__(self, app_name: str, app_scheduler: Any = None) -> None:
        self._prefix = f"{ALIAS}:{app_name}"
        self._jobs: dict[str, Callable[[], None]] = {}
        self._executor = DaemonExecutor()
        self._app_scheduler = getattr(app_scheduler, "scheduler", app_scheduler)
        shared = self._app_scheduler is not None
        self._alias = f"{self._prefix}:{id(self)}" if shared else ALIAS
        self._scheduler = self._app_scheduler or _OwnScheduler(
            timezone=timezone.utc, logger=_run_logger, daemon=True
        )
        self._scheduler.add_executor(self._executor, alias=self._alias)
        # Jobs refer to live objects, and a job store of the app may pickle its jobs.
        self._scheduler.add_jobstore(MemoryJobStore(), alias=self._alias)

    def add_job(self, name: str, seconds: float, job: Callable[[], None]) -> str:
        """Run a job at an interval.

        :param name: unique within this schedule.
        :param seconds: the interval.
        :returns: the job's id.
        """
        job_id = f"{self._prefix}:{name}"
        self._executor.prepare(job_id)
        self._jobs[job_id] = job
        self._scheduler.add_job(
            job,
            "interval",
            seconds=seconds,
            id=job_id,
            name=job_id,
            executor=self._alias,
            jobstore=self._alias,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.now(timezone.utc) + timedelta(seconds=seconds),
        )
        return job_id

    def start(self) -> None:
        """Start the scheduler, unless it belongs to the app."""
        if self._app_scheduler is None:
            self._scheduler.start()

    def run_now(self, job_id: str) -> None:
        """Run a job as soon as its thread is free, even if the scheduler does not run."""
        self._executor.offer(job_id, self._jobs[job_id])

    def stop(self) -> None:
        """Remove the jobs; stop the scheduler, unless it belongs to the app."""
        if self._app_scheduler is not None:
            self._remove_from_app_scheduler()
        elif self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._executor.stop()

    def _remove_from_app_scheduler(self) -> None:
        # A scheduler that was shut down, or emptied by the app, raises a KeyError.
        for job_id in self._jobs:
            # A scheduler that was never started still has the jobs queued, and would look for
            # their job store when it starts.
            with contextlib.suppress(KeyError):
                self._scheduler.remove_job(job_id, jobstore=self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_jobstore(self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_executor(self._alias)
