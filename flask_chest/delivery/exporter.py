"""One exporter per process, started in the process that serves, by the first record."""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref

from .._process import ProcessLock, current_pid
from .._throttle import LogThrottle
from .buffer import Buffer, ClosedError, TornRecordError
from .ledger import Ledger
from .worker import DeliveryConfig, DeliveryWorker, Shutdown, let_go_of

_logger = logging.getLogger("flask_chest.delivery")


class Exporter:
    """Takes records from requests and has them delivered.

    :param delivery: what goes where, and how.
    """

    def __init__(self, delivery: DeliveryConfig) -> None:
        self._delivery = delivery
        self._process: DeliveryWorker | None = None
        self._starting = ProcessLock()
        self._log = LogThrottle(_logger)
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
        if process is None or process.pid != current_pid():
            process = self._start()
        try:
            process.append(line, mask)
        except OSError as error:
            self._lose(process.buffer, mask, error)
        except ClosedError:
            self.hand_over(line, mask)  # closed by another thread since we looked
        if time.monotonic() > process.supervise_after:
            process.supervise()

    def _lose(self, buffer: Buffer, mask: int, error: OSError) -> None:
        if not isinstance(error, TornRecordError):
            buffer.count_lost(mask, "journal")
        self._log.warning(
            "journal",
            "a record could not be kept in %s and is lost: %s; make that writable, with room on "
            "it, or set CHEST_JOURNAL_DIR",
            self._delivery.kept_in,
            # Not the error itself: who keeps it for long keeps the segment open, by its frames.
            str(error),
        )

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
        ending = self.begin_to_end()
        if ending is not None:
            ending.wait()
        else:
            # One may have been asked whether it can be reached, all the same.
            let_go_of(self._delivery.chests)

    def begin_to_end(self) -> Shutdown | None:
        """Ask for everything to be delivered; a later record starts anew.

        :returns: what ends it; ``None`` where nothing was begun.
        """
        process, self._process = self._process, None
        if process is None or process.pid != os.getpid():
            return None
        return Shutdown(process)

    def forget(self) -> None:
        """In the child of a fork: what was the parent's is not ours."""
        process, self._process = self._process, None
        if process is not None:
            process.buffer.abandon()

    def _start(self) -> DeliveryWorker:
        with self._starting.mine:
            process = self._process
            if process is None or process.pid != os.getpid():
                self.forget()  # a fork that nobody told Python of
                process = self._process = DeliveryWorker(self._delivery)
            return process


_living: weakref.WeakSet[Exporter] = weakref.WeakSet()


def _forget_all() -> None:
    for exporter in list(_living):
        exporter.forget()


def _close_all() -> None:
    # All at once: several apps together have no more time than one.
    for ending in [exporter.begin_to_end() for exporter in list(_living)]:
        if ending is not None:
            ending.wait()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
