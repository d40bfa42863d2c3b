"""A pipeline of one process: a buffer, and a sender for each chest. Equal apps share it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol
from weakref import WeakSet

from .._process_lock import current_process
from .._throttle import LogThrottle
from ..signals import announce_for_all, records_lost
from .batch_timer import BatchTimer
from .buffer_protocol import Source
from .delivery_config import DeliveryConfig
from .sender import ChestLike, Sender
from .thread_pool import Task, TaskQueue, ThreadPool

_logger = logging.getLogger("flask_chest.delivery")

# Each chest is checked at least this often, so that a full batch does not wait for a long interval.
_MAX_TICK = 1.0
# An idle pipeline looks this often for records of dead processes.
_IDLE_UPKEEP_INTERVAL = 2.0
_MAINTENANCE_INTERVAL = 60.0
_SUPERVISE_INTERVAL = 5.0
# A pipeline is idle if no record came for this long.
_IDLE_SECONDS = 1.0


class User(Protocol):
    """The delivery of one app; it is gone when the app is."""

    @property
    def app(self) -> object:
        """The app, in whose name signals are sent; ``None`` if it is gone."""


class Pipeline:
    """The buffer and the senders of one app, or of several apps with equal settings.

    :param config: how records are delivered.
    :param pool: runs the tasks.
    """

    def __init__(self, config: DeliveryConfig, pool: ThreadPool) -> None:
        self.pid = current_process()
        self.config = config
        #: The apps' deliveries. A pipeline without any is closed.
        self.users: WeakSet[User] = WeakSet()
        #: Whether no app may start to use it any more.
        self.closing = False
        #: Set when buffer and chests are closed.
        self.closed = threading.Event()
        self.tick_interval = min(config.interval, _MAX_TICK)
        self.supervise_after = time.monotonic() + _SUPERVISE_INTERVAL
        self._log = LogThrottle(_logger)
        self.buffer = config.make_buffer(self._on_lost)
        self.append = self.buffer.append
        self._senders = [self._make_sender(chest) for chest in config.chests if config.delivers]
        self._timers = [
            BatchTimer(sender, self.buffer, config.interval, config.batch_size)
            for sender in self._senders
        ]
        self._queues = [pool.queue(_store_of(sender.chest)) for sender in self._senders]
        self._buffer_queue = pool.queue(("buffer", config.buffer_location))
        self._maintenance_queue = pool.own_queue() if config.maintenance else None
        for sender in self._senders:
            sender.paused = pool.paused
        self._stopped = threading.Event()
        self._kept_up_at = self._maintained_at = self.used_at = time.monotonic()
        self._appended = 0

    def renew_supervision(self) -> None:
        """Let requests ask for the next supervision after the usual interval."""
        self.supervise_after = time.monotonic() + _SUPERVISE_INTERVAL

    def offer_due(self) -> None:
        """Queue what is due. Called by the schedule, and must not block."""
        now = time.monotonic()
        for sender, timer, queue in zip(self._senders, self._timers, self._queues, strict=True):
            if timer.is_due() or sender.flush_requested:
                queue.offer(sender.send)
        if self._upkeep_is_due(now):
            self._kept_up_at = now
            self._buffer_queue.offer(self.buffer.maintain)
        if self._maintenance_queue and now - self._maintained_at >= _MAINTENANCE_INTERVAL:
            self._maintained_at = now
            self._maintenance_queue.offer(self._maintain_stores)

    def is_idle(self) -> bool:
        """Return whether no record was appended lately, and none is left."""
        now = time.monotonic()
        if self._note_use(now) or self.is_failing():
            return False
        drained = all(sender.drained for sender in self._senders)
        return drained or now - self.used_at >= _IDLE_SECONDS

    def is_failing(self) -> bool:
        """Return whether a chest did not accept the last batch."""
        return any(sender.failing for sender in self._senders)

    def request_flush(self) -> list[threading.Event]:
        """Request that every chest is tried now.

        :returns: an event for each chest, set when its records have been tried.
        """
        events = [sender.request_flush() for sender in self._senders]
        # A store that failed may hang, so the others come first.
        for sender, queue in sorted(
            zip(self._senders, self._queues, strict=True), key=lambda each: each[0].failing
        ):
            _offer_or_run(queue, sender.send)
        return events

    def send_due(self) -> list[threading.Event]:
        """Request that every chest is tried now, but not one that is to be retried later."""
        events = []
        for sender, queue in zip(self._senders, self._queues, strict=True):
            if not sender.backs_off():
                events.append(sender.request_flush())
                _offer_or_run(queue, sender.send)
        return events

    def flush(self, timeout: float | None) -> bool:
        """Deliver the captured records; return whether none are left.

        :param timeout: seconds to wait; ``None`` waits until every chest has been tried.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        return wait_for_all(self.request_flush(), deadline) and self._nothing_pending()

    def stop(self) -> None:
        """Let each sender finish its current batch, and start no further one."""
        self._stopped.set()
        for sender in self._senders:
            sender.stopped.set()

    def wait_until_idle(self, deadline: float) -> None:
        """Wait for the batches that are being sent: a batch with a known result is not resent."""
        wait_for_all([sender.idle for sender in self._senders], deadline)

    def request_close(self, keep: Iterable[ChestLike]) -> threading.Event:
        """Close the buffer and the chests. Other processes may deliver the remaining records.

        :param keep: chests that other pipelines use.
        :returns: an event that is set when they are closed. An fsync may take long.
        """
        kept = list(keep)

        def close() -> None:
            try:
                self.buffer.close()
                self._log_ledger()
                close_chests(chest for chest in self.config.chests if chest not in kept)
            finally:
                self.closed.set()

        _offer_or_run(self._buffer_queue, close)
        return self.closed

    def announce(self, signal: Any, **details: object) -> None:
        """Send a signal for the apps that use this pipeline."""
        apps = [user.app for user in list(self.users)]
        announce_for_all(signal, [app for app in apps if app is not None], **details)

    def _make_sender(self, chest: ChestLike) -> Sender:
        config = self.config
        return Sender(chest, self.buffer, config.batch_size, self.announce, config.on_rejected)

    def _upkeep_is_due(self, now: float) -> bool:
        if self._note_use(now):
            return True
        return now - self._kept_up_at >= _IDLE_UPKEEP_INTERVAL

    def _note_use(self, now: float) -> bool:
        """Note the time if records came since the last call; return whether some did."""
        appended = self.buffer.appended
        if appended == self._appended:
            return False
        self._appended, self.used_at = appended, now
        return True

    def _maintain_stores(self) -> None:
        assert self.config.maintenance is not None
        self.config.maintenance(self._stopped)

    def _nothing_pending(self) -> bool:
        if not self.config.delivers:  # an agent delivers, and cannot be asked to flush
            return all(
                self.buffer.oldest_pending(chest.name) is None for chest in self.config.chests
            )
        return all(
            _has_no_more(source, sender.chest.name)
            for sender in self._senders
            for source in self.buffer.sources()
        )

    def _log_ledger(self) -> None:
        if not _logger.isEnabledFor(logging.INFO):
            return  # with many pending records the ledger takes long to compute
        for chest, account in self.buffer.ledger().accounts.items():
            _logger.info("at exit: chest %r: %s", chest, account)

    def _on_lost(self, chest: str, reason: str, count: int) -> None:
        if reason != "journal":  # hand_over() logs this one, with the cause
            self._log.warning(
                f"lost:{reason}", "chest %r: %d records are lost (%s)", chest, count, reason
            )
        self.announce(records_lost, chest=chest, reason=reason, count=count)


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


def _offer_or_run(queue: TaskQueue, task: Task) -> None:
    try:
        queue.offer(task, urgent=True)
    except RuntimeError:
        task()  # no thread can be started, so the caller does it


def _store_of(chest: ChestLike) -> Hashable:
    """Return what is equal for chests that write to one store."""
    location = chest.location()
    return (type(chest), location) if location else id(chest)


def _has_no_more(source: Source, chest: str) -> bool:
    """Whether a chest has read all records; ``False`` if they cannot be read."""
    try:
        return source.read(chest, 1) is None
    except OSError:
        return False
