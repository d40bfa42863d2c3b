"""The exporter's job on APScheduler: named, and due by the monotonic clock."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger

#: The name of the job.
NAME = "flask-chest:exporter"

# APScheduler logs each run at level INFO, which would be one line per second in the app's log.
_logger = logging.getLogger("flask_chest.scheduler")
_logger.setLevel(logging.WARNING)


class _Trigger(BaseTrigger):  # type: ignore[misc]  # APScheduler is not typed
    """Is due an interval from now, however long ago the last run was.

    :param seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the next time of day. Called by the scheduler."""
        return now + timedelta(seconds=self._seconds)


class _MonotonicJobStore(MemoryJobStore):  # type: ignore[misc]  # APScheduler is not typed
    """Decides by the monotonic clock when its job is due.

    APScheduler compares times of day. If the system clock goes back an hour, a job that is due each
    second would wait for an hour.

    :param seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self._due_at = time.monotonic() + seconds

    def shorten(self, seconds: float) -> bool:
        """Make the interval shorter; return whether it was longer."""
        if seconds >= self.seconds:
            return False
        self.seconds = seconds
        self._due_at = min(self._due_at, time.monotonic() + seconds)
        return True

    def get_due_jobs(self, now: datetime) -> list[Any]:
        """Return the job if it is due. Called by the scheduler."""
        if time.monotonic() < self._due_at:
            return []
        self._due_at = time.monotonic() + self.seconds
        jobs: list[Any] = self.get_all_jobs()
        for job in jobs:
            job.next_run_time = now  # the scheduler runs no job whose time of day is to come
        return jobs

    def get_next_run_time(self) -> datetime | None:
        """Return when the scheduler should wake up, as a time of day."""
        if not self.get_all_jobs():
            return None
        remaining = max(0.0, self._due_at - time.monotonic())
        return datetime.now(timezone.utc) + timedelta(seconds=remaining)

    def update_job(self, job: Any) -> None:
        """Note that the job has run, unless it has removed itself meanwhile."""
        with contextlib.suppress(JobLookupError):
            super().update_job(job)


class _OwnScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler is not typed
    """Ends without waiting for its thread: one from before gevent's patching never ends."""

    def shutdown(self, *arguments: Any, **options: Any) -> None:
        BlockingScheduler.shutdown(self, *arguments, **options)


class Job:
    """Calls a function at an interval, on a scheduler of its own or of the app.

    :param run: the function. It runs in the thread of the scheduler, so it must not block.
    :param seconds: the interval.
    :param app_scheduler: an APScheduler scheduler or Flask-APScheduler's extension; ``None``
        creates a scheduler.
    """

    def __init__(self, run: Callable[[], None], seconds: float, app_scheduler: Any = None) -> None:
        self._run = run
        self._is_lent = app_scheduler is not None
        self._store = _MonotonicJobStore(seconds)
        self._scheduler = app_scheduler or _OwnScheduler(
            timezone=timezone.utc, logger=_logger, daemon=True
        )
        # A forked process finds the executor of its parent in a scheduler of the app.
        self._alias = f"{NAME}.{id(self)}"
        logging.getLogger(f"apscheduler.executors.{NAME}").setLevel(logging.WARNING)

    def start(self) -> None:
        """Add the job; start the scheduler, unless it belongs to the app.

        :raises RuntimeError: no thread can be started.
        """
        # The app's executors would run the job in their threads, and its job store may pickle jobs.
        self._scheduler.add_executor(DebugExecutor(), alias=self._alias)
        self._scheduler.add_jobstore(self._store, alias=self._alias)
        self._scheduler.add_job(
            self._run,
            _Trigger(self._store.seconds),
            id=NAME,
            name=NAME,
            executor=self._alias,
            jobstore=self._alias,
            coalesce=True,
            misfire_grace_time=None,
        )
        if not self._is_lent:
            self._scheduler.start()

    def shorten(self, seconds: float) -> None:
        """Make the interval shorter, if it is longer than this."""
        if self._store.shorten(seconds) and self._scheduler.running:
            self._scheduler.wakeup()

    def stop(self) -> None:
        """Remove the job; stop the scheduler, unless it belongs to the app."""
        if not self._is_lent:
            if self._scheduler.running:
                self._scheduler.shutdown(wait=False)
            return
        # A scheduler that was shut down, or emptied by the app, raises a KeyError. One that was
        # never started has the job queued, and would look for its job store when it starts.
        with contextlib.suppress(KeyError):
            self._scheduler.remove_job(NAME, jobstore=self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_jobstore(self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_executor(self._alias)
