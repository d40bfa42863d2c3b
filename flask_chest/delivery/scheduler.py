"""APScheduler, with threads that never keep an interpreter from ending.

Its own thread pool is joined at exit, so that a store that hangs would hang the exit of the app;
and from Python 3.12 on no thread can be started then: the threads here are daemons, and each is
started before it is needed.
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

#: Our executor's and job store's name in a scheduler that the app lends.
ALIAS = "flask-chest"

# Seconds that the scheduler's thread may take to end.
_PATIENCE = 0.2

# APScheduler tells of every run at level INFO, which would be a line per second in the app's log.
_logger = logging.getLogger("flask_chest.scheduler")
_quiet = logging.getLogger("flask_chest.scheduler.runs")
_quiet.setLevel(logging.WARNING)


class DaemonExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler is not typed
    """Runs each job in a daemon thread of its own; a job that is still running is not queued up."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: dict[str, _Worker] = {}

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Called by the scheduler when a job is due."""
        worker = self._workers.get(job.id)
        if worker is not None:
            worker.offer(lambda: self._run(job))

    def prepare(self, identity: str) -> None:
        """Start the thread of a job that is going to be scheduled."""
        self._workers[identity] = _Worker(identity)

    def offer(self, identity: str, task: Callable[[], None]) -> None:
        """Run something in a job's thread, whatever the scheduler does."""
        self._workers[identity].offer(task)

    def stop(self) -> None:
        """End the threads, each when it is done with what it does."""
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self.submit_job(job, run_times)

    def shutdown(self, wait: bool = True) -> None:
        """Called by the scheduler at its end, which is not ours where the app lent it."""

    def _run(self, job: Any) -> None:
        now = datetime.now(timezone.utc)
        for event in run_job(job, ALIAS, [now], _quiet.name):
            if self._scheduler is not None:  # a lent one may not have been started yet
                self._scheduler._dispatch_event(event)


class _Worker:
    """A daemon thread that does one thing at a time, and remembers one more."""

    def __init__(self, name: str) -> None:
        # Not a SimpleQueue: gevent cannot reach into one that was imported before it patched.
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
    """Does not wait for its thread for ever: one that gevent came too late for never ends."""

    def shutdown(self, *arguments: Any, **options: Any) -> None:
        thread = self._thread
        BlockingScheduler.shutdown(self, *arguments, **options)
        thread.join(_PATIENCE)


class Schedule:
    """The named jobs of one exporter, in a scheduler of our own or one that the app lends.

    :param name: the app's name; jobs are called ``flask-chest:<app>:<what>``.
    :param lent: an APScheduler scheduler, or Flask-APScheduler's extension; ``None`` for our own.
    """

    def __init__(self, name: str, lent: Any = None) -> None:
        self._prefix = f"{ALIAS}:{name}"
        self._jobs: dict[str, Callable[[], None]] = {}
        self._executor = DaemonExecutor()
        self._lent = getattr(lent, "scheduler", lent)
        self._alias = ALIAS if self._lent is None else f"{self._prefix}:{id(self)}"
        self._scheduler = self._lent or _OwnScheduler(
            timezone=timezone.utc, logger=_quiet, daemon=True
        )
        self._scheduler.add_executor(self._executor, alias=self._alias)
        # Jobs hold live objects, so they must not go into a job store of theirs that pickles.
        self._scheduler.add_jobstore(MemoryJobStore(), alias=self._alias)

    def every(self, seconds: float, what: str, job: Callable[[], None]) -> str:
        """Run a job at an interval.

        :returns: the job's id.
        """
        identity = f"{self._prefix}:{what}"
        self._executor.prepare(identity)
        self._jobs[identity] = job
        self._scheduler.add_job(
            job,
            "interval",
            seconds=seconds,
            id=identity,
            name=identity,
            executor=self._alias,
            jobstore=self._alias,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.now(timezone.utc) + timedelta(seconds=seconds),
        )
        return identity

    def start(self) -> None:
        """Start our own scheduler; a lent one is the app's to start."""
        if self._lent is None:
            self._scheduler.start()

    def run_now(self, identity: str) -> None:
        """Run a job as soon as its thread is free, even where the scheduler does not run."""
        self._executor.offer(identity, self._jobs[identity])

    def stop(self) -> None:
        """Stop our jobs, and the scheduler where it is ours."""
        if self._lent is not None:
            self._withdraw()
        elif self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._executor.stop()

    def _withdraw(self) -> None:
        for identity in self._jobs:
            # Else one that was never started would look for our store when it starts. One that was
            # shut down, or emptied by the app, has no such jobs any more.
            with contextlib.suppress(KeyError):
                self._scheduler.remove_job(identity, jobstore=self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_jobstore(self._alias)
        with contextlib.suppress(KeyError):
            self._scheduler.remove_executor(self._alias)
