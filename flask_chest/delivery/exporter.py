"""One exporter per process, started in the process that serves, by the first record."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..signals import announce, records_lost
from ..sparse_log import SparseLog
from .buffer import Buffer, LossListener
from .ledger import Ledger
from .pace import Pace
from .shipper import ChestLike, Shipper

if TYPE_CHECKING:
    from .scheduler import Schedule

_logger = logging.getLogger("flask_chest.delivery")

# A chest is looked after at least so often, so that a full batch does not wait for a long interval.
_LONGEST_TICK = 1.0
_SUPERVISE_EVERY = 5.0
_UPKEEP_EVERY = 60.0
# The time since the scheduler was last seen to work, after which it counts as dead.
_DEAD_AFTER = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
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
    upkeep: Callable[[threading.Event], None] | None = None


class Exporter:
    """Takes records from requests and has them delivered.

    :param delivery: what goes where, and how.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._process: _Process | None = None
        self._starting: dict[int, threading.Lock] = {}
        self._log = SparseLog(_logger)
        # APScheduler takes long to import. Not with this package, since not all who import it serve
        # requests; not with the first request either, which would wait for it.
        from . import scheduler  # noqa: F401

        _living.add(self)

    def hand_over(self, line: bytes, mask: int) -> None:
        """Keep one record; the only thing of delivery that a request does.

        :param line: the encoded record.
        :param mask: a bit for each chest that gets it.
        """
        process = self._process
        # By pid: under uWSGI neither is_alive() nor os.register_at_fork() tells of a fork.
        if process is None or process.pid != os.getpid():
            process = self._start()
        try:
            process.buffer.append(line, mask)
        except OSError as error:
            process.buffer.count_lost(mask, "journal")
            self._log.warning("journal", "a record could not be kept and is lost: %s", error)
        if time.monotonic() > process.supervise_after:
            process.supervise()

    def start(self) -> None:
        """Deliver what is there without waiting for a first record: what an agent does."""
        self._start()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what this process has captured; ``True`` when all of it is done with.

        :param timeout: seconds to wait; ``None`` waits for as long as a try of every chest takes.
        """
        process = self._process
        if process is None or process.pid != os.getpid():
            return True
        return process.flush(timeout)

    def ledger(self) -> Ledger:
        """The ledger; of all processes where the buffer is the journal."""
        process = self._process
        if process is not None and process.pid == os.getpid():
            return process.buffer.ledger()
        buffer = self._delivery.make_buffer(lambda *_: None)
        return buffer.ledger()

    def oldest(self, chest: str) -> int | None:
        """When the oldest record that waits for a chest was made: microseconds since 1970, UTC."""
        process = self._process
        if process is not None and process.pid == os.getpid():
            return process.buffer.oldest(chest)
        return self._delivery.make_buffer(lambda *_: None).oldest(chest)

    def close(self) -> None:
        """Deliver what can be within the shutdown timeout, and stop. A later record starts anew."""
        process, self._process = self._process, None
        if process is not None and process.pid == os.getpid():
            process.close()

    def forget(self) -> None:
        """In the child of a fork: what was the parent's is not ours."""
        self._process = None
        for chest in self._delivery.chests:
            # A thread that does not exist here may have held it.
            chest.lock = threading.Lock()

    def _start(self) -> _Process:
        # A lock of the parent may have been held by a thread that does not exist in the child.
        with self._starting.setdefault(os.getpid(), threading.Lock()):
            process = self._process
            if process is None or process.pid != os.getpid():
                process = self._process = _Process(self._delivery)
            return process


class _Process:
    """What an exporter has in one process."""

    def __init__(self, delivery: Delivery) -> None:
        self.pid = os.getpid()
        self._delivery = delivery
        self.buffer = delivery.make_buffer(self._on_lost)
        self._shippers = [
            Shipper(chest, self.buffer, delivery.batch_size, delivery.sender, delivery.bury)
            for chest in delivery.chests
            if delivery.ships
        ]
        self._log = SparseLog(_logger)
        self._tended_at = time.monotonic()
        self.supervise_after = self._tended_at + _SUPERVISE_EVERY
        self._ended = threading.Event()
        self._schedule: Schedule | None = None
        self._jobs: dict[Shipper, str] = {}
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
            schedule.every(tick, "tend", self._tend)
            for shipper in self._shippers:
                pace = Pace(shipper, self.buffer, delivery.interval, delivery.batch_size)
                jobs[shipper] = schedule.every(tick, shipper.chest.name, pace.tick)
            if delivery.upkeep is not None and delivery.ships:
                schedule.every(_UPKEEP_EVERY, "upkeep", self._look_after_stores)
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
        if self._schedule is None:
            self._try_to_schedule(self._delivery.scheduler)
        elif now - self._tended_at > _DEAD_AFTER:
            _logger.warning(
                "the exporter's scheduler does not run; it is replaced by one of our own"
            )
            self._try_to_schedule(None)

    def flush(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = []
        for shipper in self._shippers:
            waiting.append(shipper.ask_to_flush())
            if self._schedule is None:
                shipper.ship()  # where there are no threads, who asks does it
            else:
                self._schedule.run_now(self._jobs[shipper])
        for done in waiting:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not done.wait(left):
                return False
        return self._is_done()

    def _is_done(self) -> bool:
        return all(
            source.read(shipper.chest.name, 1) is None
            for shipper in self._shippers
            for source in self.buffer.sources()
        )

    def close(self) -> None:
        self._ended.set()
        self.flush(self._delivery.shutdown_timeout)
        for shipper in self._shippers:
            shipper.stopped.set()
        if self._schedule is not None:
            self._schedule.stop()
        self.buffer.close()
        self._log_ledger()
        for shipper in self._shippers:
            # One that is in the middle of a call is left alone: it may hang, or work for another
            # app that shares it.
            if shipper.chest.lock.acquire(blocking=False):
                try:
                    shipper.chest.close()
                finally:
                    shipper.chest.lock.release()

    def _log_ledger(self) -> None:
        for chest, account in self.buffer.ledger().accounts.items():
            _logger.info("at exit: chest %r: %s", chest, account)

    def _on_lost(self, chest: str, reason: str, count: int) -> None:
        if reason != "journal":  # told by who knows what went wrong
            self._log.warning(
                f"lost:{reason}", "chest %r: %d records are lost (%s)", chest, count, reason
            )
        announce(records_lost, self._delivery.sender, chest=chest, reason=reason, count=count)


_living: weakref.WeakSet[Exporter] = weakref.WeakSet()


def _forget_all() -> None:
    for exporter in list(_living):
        exporter.forget()


def _close_all() -> None:
    for exporter in list(_living):
        exporter.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
