"""What delivers in one process, and how that ends."""

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
from .sender import ChestLike, Sender

if TYPE_CHECKING:
    from .scheduler import Schedule

_logger = logging.getLogger("flask_chest.delivery")

# A chest is looked after at least so often, so that a full batch does not wait for a long interval.
_LONGEST_TICK = 1.0
# Not a name that a chest may have by chance: of two jobs of one name the second is refused.
_TEND = "(tend)"
_UPKEEP = "(upkeep)"
_UPKEEP_EVERY = 60.0
_SUPERVISE_EVERY = 5.0
# The time since the scheduler was last seen to work, after which it counts as dead.
_DEAD_AFTER = 30.0
# Seconds of the shutdown timeout in which no new batch is begun.
_LAST_BATCH = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """How an app's records are delivered.

    :param name: the app's name.
    :param sender: the app, for signals.
    :param chests: where records go; their order gives the bits of a mask.
    :param make_buffer: makes the buffer of one process.
    :param bury: keeps a record that a chest will never accept.
    :param batch_size: records a batch.
    :param interval: seconds after which a batch goes that is not full.
    :param shutdown_timeout: seconds that delivery may take at exit.
    :param scheduler: an APScheduler that the app lends.
    :param ships: whether this process delivers; else an agent does.
    :param kept_in: where records wait, for messages.
    :param upkeep: looks after the stores now and then, beside deliveries, until its event is set.
    """

    name: str
    sender: object
    chests: Sequence[ChestLike]
    make_buffer: Callable[[LossListener], Buffer]
    bury: Callable[[str, Sequence[bytes], str], None]
    batch_size: int = 1000
    interval: float = 1.0
    shutdown_timeout: float = 2.0
    scheduler: Any = None
    ships: bool = True
    kept_in: str = "memory"
    upkeep: Callable[[threading.Event], None] | None = None


class DeliveryWorker:
    """What an exporter has in one process.

    :param delivery: what goes where, and how.
    """

    def __init__(self, delivery: DeliveryConfig) -> None:
        self.pid = os.getpid()
        self._delivery = delivery
        self.shutdown_timeout = delivery.shutdown_timeout
        self.buffer = delivery.make_buffer(self._on_lost)
        self.append = self.buffer.append
        self._shippers = [
            Sender(chest, self.buffer, delivery.batch_size, delivery.sender, delivery.bury)
            for chest in delivery.chests
            if delivery.ships
        ]
        self._log = LogThrottle(_logger)
        self._tended_at = time.monotonic()
        self.supervise_after = self._tended_at + _SUPERVISE_EVERY
        self._supervising = threading.Lock()
        self._ended = threading.Event()
        self._schedule: Schedule | None = None
        self._jobs: dict[Sender, str] = {}
        self._try_to_schedule(delivery.scheduler)

    def _try_to_schedule(self, lent: Any) -> None:
        dead, self._schedule = self._schedule, None
        try:
            if dead is not None:
                dead.stop()
            self._schedule = self._start_schedule(lent)
        except Exception as error:  # noqa: BLE001 - a request waits, and its record is kept already
            # No thread may be started: a limit, the end of the interpreter, uWSGI without threads.
            self._log.warning("schedule", "delivery cannot start, records wait: %s", error)

    def _start_schedule(self, lent: Any) -> Schedule:
        from .scheduler import Schedule

        delivery = self._delivery
        schedule = Schedule(delivery.name, lent)
        tick = min(delivery.interval, _LONGEST_TICK)
        jobs = {}
        try:
            schedule.every(tick, _TEND, self._tend)
            for shipper in self._shippers:
                pace = BatchTimer(shipper, self.buffer, delivery.interval, delivery.batch_size)
                jobs[shipper] = schedule.every(tick, shipper.chest.name, pace.tick)
            if delivery.upkeep is not None and delivery.ships:
                schedule.every(_UPKEEP_EVERY, _UPKEEP, self._look_after_stores)
            schedule.start()
        except BaseException:
            schedule.stop()
            raise
        self._jobs = jobs
        self._tended_at = time.monotonic()
        return schedule

    def _tend(self) -> None:
        self._tended_at = time.monotonic()
        self.buffer.tend()

    def _look_after_stores(self) -> None:
        assert self._delivery.upkeep is not None
        self._delivery.upkeep(self._ended)

    def supervise(self) -> None:
        """See whether deliveries still run; start them anew where they do not."""
        now = time.monotonic()
        self.supervise_after = now + _SUPERVISE_EVERY
        if not self._supervising.acquire(blocking=False):
            return  # another request is at it
        try:
            if self._schedule is None:
                self._try_to_schedule(self._delivery.scheduler)
            elif now - self._tended_at > _DEAD_AFTER:
                _logger.warning(
                    "the exporter's scheduler does not run; it is replaced by one of our own "
                    "(uWSGI runs threads only with --enable-threads)"
                )
                self._try_to_schedule(None)
        finally:
            self._supervising.release()

    def ask_to_flush(self) -> list[threading.Event]:
        """Ask for everything to be tried now; each event is set when a chest has been."""
        waiting = []
        for shipper in self._shippers:
            waiting.append(shipper.ask_to_flush())
            if self._schedule is None:
                shipper.ship()  # where there are no threads, who asks does it
            else:
                self._schedule.run_now(self._jobs[shipper])
        return waiting

    def flush(self, timeout: float | None) -> bool:
        """Deliver what was captured; whether all of it is done with.

        :param timeout: seconds to wait; ``None`` waits for a try of every chest.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        return _wait_for(self.ask_to_flush(), deadline) and self._is_done()

    def _is_done(self) -> bool:
        if not self._delivery.ships:  # an agent does, which is not ours to hurry
            return all(self.buffer.oldest(chest.name) is None for chest in self._delivery.chests)
        return all(
            source.read(shipper.chest.name, 1) is None
            for shipper in self._shippers
            for source in self.buffer.sources()
        )

    def stop(self) -> None:
        """End each delivery when it is done with the batch that it is at."""
        self._ended.set()
        for shipper in self._shippers:
            shipper.stopped.set()
        if self._schedule is not None:
            self._schedule.stop()

    def wait_until_idle(self, deadline: float) -> None:
        """Wait for the batches under way: who knows their fate need not send them again."""
        _wait_for([shipper.idle for shipper in self._shippers], deadline)

    def let_go(self) -> None:
        """Leave the rest to others."""
        self.buffer.close()
        self._log_ledger()
        let_go_of(self._delivery.chests)

    def _log_ledger(self) -> None:
        if not _logger.isEnabledFor(logging.INFO):
            return  # it takes a while where much is pending
        for chest, account in self.buffer.ledger().accounts.items():
            _logger.info("at exit: chest %r: %s", chest, account)

    def _on_lost(self, chest: str, reason: str, count: int) -> None:
        if reason != "journal":  # told by who knows what went wrong
            self._log.warning(
                f"lost:{reason}", "chest %r: %d records are lost (%s)", chest, count, reason
            )
        announce(records_lost, self._delivery.sender, chest=chest, reason=reason, count=count)


class Shutdown:
    """The end of one process' delivery, within its shutdown timeout from now on.

    :param process: what is to end.
    """

    def __init__(self, process: DeliveryWorker) -> None:
        timeout = process.shutdown_timeout
        self._process = process
        self._deadline = time.monotonic() + timeout
        # Kept for the batch under way, when there is more than can be delivered.
        self._stop_at = self._deadline - min(_LAST_BATCH, timeout / 4)
        self._waiting = process.ask_to_flush()

    def wait(self) -> None:
        """Wait for what can be delivered in time, and let go of the rest."""
        _wait_for(self._waiting, self._stop_at)
        self._process.stop()
        self._process.wait_until_idle(self._deadline)
        self._process.let_go()


def let_go_of(chests: Iterable[ChestLike]) -> None:
    """Close chests; one that is in the middle of a call is left alone.

    It may hang, or work for another app that shares it.
    """
    for chest in chests:
        if chest.lock.acquire(blocking=False):
            try:
                chest.close()
            finally:
                chest.lock.release()


def _wait_for(events: Sequence[threading.Event], deadline: float | None) -> bool:
    for event in events:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not event.wait(left):
            return False
    return True
