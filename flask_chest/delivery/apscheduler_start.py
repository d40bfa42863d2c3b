"""The schedule of the exporter: it starts APScheduler one interval after the first record."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._throttle import LogThrottle
from .thread_pool import TaskQueue

if TYPE_CHECKING:
    from .apscheduler_job import Job

# The schedule counts as dead if it has not ticked for this long.
_TIMEOUT = 30.0

_logger = logging.getLogger("flask_chest.delivery")


class Schedule:
    """Calls a function at an interval, as a job of a scheduler of its own or of the app.

    Nothing is due before the first interval has passed. So a thread of the exporter imports and
    starts APScheduler only then: no request waits for the import, and a process that has ended by
    then, such as a short test run, has saved it.

    :param tick: the function. It runs in the thread of the scheduler, so it must not block.
    :param seconds: the interval.
    :param app_scheduler: an APScheduler scheduler or Flask-APScheduler's extension; ``None``
        creates a scheduler.
    """

    def __init__(
        self, tick: Callable[[Schedule], None], seconds: float, app_scheduler: Any = None
    ) -> None:
        self._tick = tick
        self._seconds = seconds
        self.app_scheduler = app_scheduler
        #: Whether the scheduler could not be started.
        self.failed = False
        self._ticks = 0
        self._ticked_at = time.monotonic()
        self._ticks_when_late: int | None = None
        self._log = LogThrottle(_logger)
        self._job: Job | None = None
        self._queue: TaskQueue | None = None
        self._stopped = False
        self._changing = threading.Lock()

    def start(self, queue: TaskQueue) -> None:
        """Add the job to the app's scheduler now, or start a scheduler after the first interval.

        :param queue: runs the start of the scheduler.
        :raises RuntimeError: no thread can be started.
        """
        if self.app_scheduler is not None:
            self._add_job()
            return
        self._queue = queue
        queue.offer_later(self._start_scheduler, self._seconds)

    def shorten(self, seconds: float) -> None:
        """Make the interval shorter, if it is longer than this."""
        with self._changing:
            if seconds >= self._seconds:
                return
            self._seconds = seconds
            if self._job is not None:
                self._job.shorten(seconds)
            elif self._queue is not None:
                self._queue.offer_later(self._start_scheduler, seconds)

    def is_dead(self) -> bool:
        """Return whether the job does not run, though this process does.

        A process that was stopped, as between two requests to a serverless function, has not run
        its threads for long either. So the first call that finds the job late returns ``False``,
        and only a later call without any run in between returns ``True``.
        """
        if self.failed:
            return True
        if time.monotonic() - self._ticked_at <= _TIMEOUT:
            self._ticks_when_late = None
            return False
        seen, self._ticks_when_late = self._ticks_when_late, self._ticks
        return seen == self._ticks

    def stop(self) -> None:
        """Remove the job; stop the scheduler, unless it belongs to the app."""
        with self._changing:
            self._stopped = True
            if self._job is not None:
                self._job.stop()

    def _start_scheduler(self) -> None:
        with self._changing:
            if self._stopped or self._job is not None:
                return
            try:
                self._add_job()
            except Exception as error:  # noqa: BLE001 - a later request tries again
                self.failed = True
                if threading.main_thread().is_alive():  # no scheduler starts in a process that ends
                    self._log.warning("start", "delivery cannot start, records wait: %r", error)
                return
        self._run()

    def _add_job(self) -> None:
        from .apscheduler_job import Job  # not at the top: it imports APScheduler, which is slow

        job = Job(self._run, self._seconds, self.app_scheduler)
        try:
            job.start()
        except BaseException:
            job.stop()
            raise
        self._job = job

    def _run(self) -> None:
        self._ticks += 1
        self._ticked_at = time.monotonic()
        self._tick(self)
