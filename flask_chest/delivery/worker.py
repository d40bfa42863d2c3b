"""Delivers the records of one process: schedules one sender per chest, and supervises them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._throttle import LogThrottle
from ..signals import announce, records_lost
from .batch_timer import BatchTimer
from .buffer import Buffer, LossListener
from .sender import ChestLike, RejectionListener, Sender

if TYPE_CHECKING:
    from .scheduler import Schedule

_logger = logging.getLogger("flask_chest.delivery")

# Each chest is checked at least this often, so that a full batch does not wait for a long interval.
_MAX_TICK = 1.0
# In parentheses, so that no chest has this name by chance: job names must be unique.
_BUFFER_JOB = "(buffer)"
_MAINTENANCE_JOB = "(maintenance)"
_MAINTENANCE_INTERVAL = 60.0
_SUPERVISE_INTERVAL = 5.0
# The scheduler counts as dead if it has not run the buffer job for this long.
_SCHEDULER_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """How an app's records are delivered.

    :param name: the app's name.
    :param signal_sender: the app; signals are sent in its name.
    :param chests: where records are sent; their order sets the bits of a mask.
    :param make_buffer: creates the buffer of one process.
    :param on_rejected: stores records that a chest will never accept.
    :param batch_size: records per batch.
    :param interval: seconds after which an incomplete batch is sent.
    :param shutdown_timeout: seconds that delivery may take at exit.
    :param scheduler: an APScheduler that belongs to the app; ``None`` starts a separate one.
    :param delivers: whether this process delivers; ``False`` if an agent does.
    :param buffer_location: where records wait, for messages.
    :param maintenance: maintains the stores; called once a minute with an event that is set when
        the process ends.
    """

    name: str
    signal_sender: object
    chests: Sequence[ChestLike]
    make_buffer: Callable[[LossListener], Buffer]
    on_rejected: RejectionListener
    batch_size: int = 1000
    interval: float = 1.0
    shutdown_timeout: float = 2.0
    scheduler: Any = None
    delivers: bool = True
    buffer_location: str = "memory"
    maintenance: Callable[[threading.Event], None] | None = None


class DeliveryWorker:
    """The buffer, the senders and the scheduled jobs of one process.

    :param config: how records are delivered.
    """

    def __init__(self, config: DeliveryConfig) -> None:
        self.pid = os.getpid()
        self._config = config
        self.shutdown_timeout = config.shutdown_timeout
        self.buffer = config.make_buffer(self._on_lost)
        self.append = self.buffer.append
        self._senders = [
            Sender(chest, self.buffer, config.batch_size, config.signal_sender, config.on_rejected)
            for chest in config.chests
            if config.delivers
        ]
        self._log = LogThrottle(_logger)
        self._maintained_at = time.monotonic()
        self.supervise_after = self._maintained_at + _SUPERVISE_INTERVAL
        self._supervising = threading.Lock()
        self._stopped = threading.Event()
        self._schedule: Schedule | None = None
        self._jobs: dict[Sender, str] = {}
        self._try_to_schedule(config.scheduler)

    def _try_to_schedule(self, app_scheduler: Any) -> None:
        dead, self._schedule = self._schedule, None
        try:
            if dead is not None:
                dead.stop()
            self._schedule = self._start_schedule(app_scheduler)
        except Exception as error:  # noqa: BLE001 - the request goes on: its record is stored
            # No thread can be started: at a thread limit, while the interpreter exits, or under
            # uWSGI without --enable-threads.
            self._log.warning("schedule", "delivery cannot start, records wait: %s", error)

    def _start_schedule(self, app_scheduler: Any) -> Schedule:
        from .scheduler import Schedule

        config = self._config
        schedule = Schedule(config.name, app_scheduler)
        tick = min(config.interval, _MAX_TICK)
        jobs = {}
        try:
            schedule.add_job(_BUFFER_JOB, tick, self._maintain_buffer)
            for sender in self._senders:
                timer = BatchTimer(sender, self.buffer, config.interval, config.batch_size)
                jobs[sender] = schedule.add_job(sender.chest.name, tick, timer.tick)
            if config.maintenance is not None and config.delivers:
                schedule.add_job(_MAINTENANCE_JOB, _MAINTENANCE_INTERVAL, self._maintain_stores)
            schedule.start()
        except BaseException:
            schedule.stop()
            raise
        self._jobs = jobs
        self._maintained_at = time.monotonic()
        return schedule

    def _maintain_buffer(self) -> None:
        self._maintained_at = time.monotonic()
        self.buffer.maintain()

    def _maintain_stores(self) -> None:
        assert self._config.maintenance is not None
        self._config.maintenance(self._stopped)

    def supervise(self) -> None:
        """Check that the scheduler runs; replace it if it does not."""
        now = time.monotonic()
        self.supervise_after = now + _SUPERVISE_INTERVAL
        if not self._supervising.acquire(blocking=False):
            return  # another request thread is supervising
        try:
            if self._schedule is None:
                self._try_to_schedule(self._config.scheduler)
            elif now - self._maintained_at > _SCHEDULER_TIMEOUT:
                _logger.warning(
                    "the exporter's scheduler does not run; Flask-Chest starts one of its own "
                    "(uWSGI runs threads only with --enable-threads)"
                )
                self._try_to_schedule(None)
        finally:
            self._supervising.release()

    def request_flush(self) -> list[threading.Event]:
        """Request that every chest is tried now.

        :returns: an event for each chest, set when its records have been tried.
        """
        events = []
        for sender in self._senders:
            events.append(sender.request_flush())
            if self._schedule is None:
                sender.send()  # no thread could be started, so the caller sends
            else:
                self._schedule.run_now(self._jobs[sender])
        return events

    def flush(self, timeout: float | None) -> bool:
        """Deliver the captured records; return whether none are left.

        :param timeout: seconds to wait; ``None`` waits until every chest has been tried.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        return wait_for_all(self.request_flush(), deadline) and self._nothing_pending()

    def _nothing_pending(self) -> bool:
        if not self._config.delivers:  # an agent delivers, and cannot be asked to flush
            return all(
                self.buffer.oldest_pending(chest.name) is None for chest in self._config.chests
            )
        return all(
            source.read(sender.chest.name, 1) is None
            for sender in self._senders
            for source in self.buffer.sources()
        )

    def stop(self) -> None:
        """Let each sender finish its current batch, and start no further one."""
        self._stopped.set()
        for sender in self._senders:
            sender.stopped.set()
        if self._schedule is not None:
            self._schedule.stop()

    def wait_until_idle(self, deadline: float) -> None:
        """Wait for the batches that are being sent: a batch with a known result is not resent."""
        wait_for_all([sender.idle for sender in self._senders], deadline)

    def close(self) -> None:
        """Close the buffer and the chests. Other processes may deliver the remaining records."""
        self.buffer.close()
        self._log_ledger()
        close_chests(self._config.chests)

    def _log_ledger(self) -> None:
        if not _logger.isEnabledFor(logging.INFO):
            return  # with many pending records the ledger takes long to compute
        for chest, account in self.buffer.ledger().accounts.items():
            _logger.info("at exit: chest %r: %s", chest, account)

    def _on_lost(self, chest: str, reason: str, count: int) -> None:
        if reason != "journal":  # the exporter logs this one, with the cause
            self._log.warning(
                f"lost:{reason}", "chest %r: %d records are lost (%s)", chest, count, reason
            )
        sender = self._config.signal_sender
        announce(records_lost, sender, chest=chest, reason=reason, count=count)


def close_chests(chests: Iterable[ChestLike]) -> None:
    """Close chests, except those that are in use.

    Such a chest may hang, or may be delivering for another app that shares it.
    """
    for chest in chests:
        if chest.lock.acquire(blocking=False):
            try:
                chest.close()
            finally:
                chest.lock.release()


def wait_for_all(events: Sequence[threading.Event], deadline: float | None) -> bool:
    """Wait until all events are set; ``False`` if the deadline passes first.

    :param deadline: a time of ``time.monotonic()``; ``None`` waits forever.
    """
    for event in events:
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not event.wait(remaining):
            return False
    return True
