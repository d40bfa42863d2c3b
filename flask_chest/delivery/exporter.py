"""The exporter of a process: one schedule and a few threads deliver for all its apps."""

from __future__ import annotations

import atexit
import contextlib
import logging
import resource
import threading
from collections.abc import Callable, Collection, Hashable
from typing import Any

from .._process_lock import ProcessLock, current_process
from .._throttle import LogThrottle
from .apscheduler_start import Schedule
from .delivery_config import DeliveryConfig
from .pipeline import Pipeline, User
from .sender import ChestLike
from .shutdown_flush import Shutdown
from .thread_pool import ThreadPool

_logger = logging.getLogger("flask_chest.delivery")

# More pipelines are closed when they are idle, since each holds several descriptors.
_MAX_OPEN = 32
# Each pipeline needs three or four descriptors, and the app needs descriptors, too.
_DESCRIPTOR_SHARE = 8
# Seconds that the first request of an app may wait for descriptors.
_ROOM_SECONDS = 1.0


class Exporter:
    """Delivers the records of all apps of one process."""

    def __init__(self) -> None:
        self.pid = current_process()
        self._pool = ThreadPool()
        # A tick must not take it: APScheduler holds a lock then, which starting a schedule needs.
        self._lock = threading.RLock()
        self._pipelines: dict[Hashable, Pipeline] = {}
        self._schedules: dict[Pipeline, Schedule] = {}
        self._supervising = threading.Lock()
        self._tidied = threading.Event()
        self._log = LogThrottle(_logger)

    def join(self, user: User, config: DeliveryConfig) -> Pipeline:
        """Return the pipeline of a delivery: that of an equal one, or a new one."""
        self._make_room()
        key: Hashable = config.sharing_key or id(user)
        with self._lock:
            pipeline = self._pipelines.get(key)
            if pipeline is None:
                pipeline = self._pipelines[key] = Pipeline(config, self._pool)
            pipeline.users.add(user)
            if pipeline not in self._schedules:
                self._try_to_schedule(pipeline, _unwrapped(config.scheduler))
            if self._too_many_open():
                self._offer_to_tidy_up()
        return pipeline

    def leave(self, user: User, pipeline: Pipeline) -> Callable[[], None]:
        """Take a delivery away from its pipeline, and close the pipeline with the last one.

        :returns: a function that waits for a last flush and for the end.
        """
        with self._lock:
            pipeline.users.discard(user)
            if pipeline.users:
                return lambda: _flush(pipeline)
            shutdown = self._remove([pipeline])

        def finish() -> None:
            shutdown.wait()
            self._stop_if_unused()

        return finish

    def supervise(self, pipeline: Pipeline) -> None:
        """Check that the schedule of a pipeline runs; replace it if it does not."""
        pipeline.renew_supervision()
        if not self._supervising.acquire(blocking=False):
            return  # another request thread is supervising
        try:
            schedule = self._schedules.get(pipeline)
            if schedule is None:
                self._try_to_schedule(pipeline, _unwrapped(pipeline.config.scheduler))
            elif schedule.is_dead():
                if not schedule.failed:
                    _logger.warning(
                        "the exporter's scheduler does not run; Flask-Chest starts one of its own "
                        "(uWSGI runs threads only with --enable-threads)"
                    )
                self._replace(schedule)
        except Exception as error:  # noqa: BLE001 - a request must not feel any failure
            self._log.warning("supervise", "the exporter could not be restarted: %r", error)
        finally:
            self._supervising.release()

    def shut_down(self) -> None:
        """End everything, within the longest shutdown timeout of all apps."""
        self._pool.forget_later()  # a process that ends need not start a scheduler
        with self._lock:
            shutdown = self._remove(list(self._pipelines.values()))
        shutdown.wait()
        for schedule in set(self._schedules.values()):
            schedule.stop()

    def before_fork(self, seconds: float) -> None:
        """Let no task start, and wait for those that run, before the process forks."""
        self._pool.pause(seconds)

    def after_fork_in_parent(self) -> None:
        """Let tasks start again."""
        self._pool.resume()

    def _try_to_schedule(self, pipeline: Pipeline, app_scheduler: Any) -> None:
        try:
            self._schedules[pipeline] = self._start_schedule(pipeline, app_scheduler)
            self._pool.start()
        except Exception as error:  # noqa: BLE001 - the request goes on: its record is stored
            # No thread can be started: at a thread limit, while the interpreter exits, or under
            # uWSGI without --enable-threads.
            self._log.warning("schedule", "delivery cannot start, records wait: %s", error)

    def _start_schedule(self, pipeline: Pipeline, app_scheduler: Any) -> Schedule:
        with self._lock:
            for schedule in self._schedules.values():
                if schedule.app_scheduler is app_scheduler:
                    schedule.shorten(pipeline.tick_interval)
                    return schedule
            schedule = Schedule(self._tick, pipeline.tick_interval, app_scheduler)
            schedule.start(self._pool.own_queue())
            return schedule

    def _replace(self, dead: Schedule) -> None:
        with self._lock:
            pipelines = [each for each, used in self._schedules.items() if used is dead]
            for pipeline in pipelines:
                del self._schedules[pipeline]
            dead.stop()
            for pipeline in pipelines:
                self._try_to_schedule(pipeline, None)

    def _tick(self, schedule: Schedule) -> None:
        for pipeline, used in list(self._schedules.items()):
            if used is schedule and not pipeline.closing:
                pipeline.offer_due()
        if self._unused() or self._too_many_open():
            self._offer_to_tidy_up()
        self._pool.relieve()

    def _offer_to_tidy_up(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be started
            self._pool.queue(self).offer(self._tidy_up)

    def _too_many_open(self) -> bool:
        return len(self._pipelines) > _MAX_OPEN

    def _is_crowded(self) -> bool:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (
            limit != resource.RLIM_INFINITY and len(self._schedules) >= limit // _DESCRIPTOR_SHARE
        )

    def _make_room(self) -> None:
        """Wait until idle pipelines are closed, if the process may soon lack descriptors."""
        if self._is_crowded():
            self._tidied.clear()
            self._offer_to_tidy_up()
            self._tidied.wait(_ROOM_SECONDS)

    def _unused(self) -> list[Pipeline]:
        return [each for each in list(self._pipelines.values()) if not each.users]

    def _tidy_up(self) -> None:
        """Close pipelines of apps that are gone, and idle ones if too many are open."""
        with self._lock:
            shutdown = self._remove([*self._unused(), *self._superfluous()])
        shutdown.wait()
        self._stop_if_unused()
        self._tidied.set()

    def _superfluous(self) -> list[Pipeline]:
        if not self._too_many_open():
            return []
        open_ = [each for each in self._pipelines.values() if each.config.reopens and each.users]
        if not self._is_crowded():
            open_ = [each for each in open_ if each.is_idle()]
        open_.sort(key=lambda each: (each.is_failing(), each.used_at))
        return open_[: len(self._pipelines) - _MAX_OPEN // 2]

    def _remove(self, pipelines: Collection[Pipeline]) -> Shutdown:
        for pipeline in pipelines:
            pipeline.closing = True
        self._pipelines = {key: each for key, each in self._pipelines.items() if not each.closing}
        return Shutdown(pipelines, self._chests_in_use())

    def _chests_in_use(self) -> list[ChestLike]:
        return [chest for each in self._pipelines.values() for chest in each.config.chests]

    def _stop_if_unused(self) -> None:
        with self._lock:
            for pipeline in list(self._schedules):
                if pipeline.closed.is_set():
                    self._forget(pipeline)
            if not self._schedules and not self._pipelines:
                self._pool.stop()
                self._pool = ThreadPool()

    def _forget(self, pipeline: Pipeline) -> None:
        schedule = self._schedules.pop(pipeline)
        if schedule not in self._schedules.values():
            schedule.stop()


def current_exporter() -> Exporter:
    """Return the exporter of this process; make it if there is none yet."""
    global _exporter
    exporter = _exporter
    if exporter is None or exporter.pid != current_process():
        with _making.mine:
            if _exporter is None or _exporter.pid != current_process():
                _exporter = Exporter()
            exporter = _exporter
    return exporter


def _flush(pipeline: Pipeline) -> None:
    pipeline.flush(pipeline.config.shutdown_timeout)


def _unwrapped(scheduler: Any) -> Any:
    """Return APScheduler's scheduler, also of Flask-APScheduler's extension."""
    return getattr(scheduler, "scheduler", scheduler)


_making = ProcessLock()
_exporter: Exporter | None = None


def existing_exporter() -> Exporter | None:
    """Return the exporter of this process; ``None`` if nothing has started one."""
    return None if _exporter is None or _exporter.pid != current_process() else _exporter


def _shut_down_at_exit() -> None:
    exporter = existing_exporter()
    if exporter is not None:
        exporter.shut_down()


atexit.register(_shut_down_at_exit)
