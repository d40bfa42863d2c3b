"""The exporter of an app: detects forks, and starts delivery in the process that serves."""

from __future__ import annotations

import logging
import os
import time
import weakref

from .._process_lock import ProcessLock, current_pid
from .._throttle import LogThrottle
from .buffer import Buffer, ClosedError, TornRecordError
from .ledger import Ledger
from .shutdown import Shutdown, shut_down_at_exit
from .worker import DeliveryConfig, DeliveryWorker, close_chests

_logger = logging.getLogger("flask_chest.delivery")


class Exporter:
    """Accepts records from requests, and delivers them in the background.

    Each process has its own :class:`DeliveryWorker`, which its first record starts.

    :param config: how records are delivered.
    """

    def __init__(self, config: DeliveryConfig) -> None:
        self._config = config
        self._worker: DeliveryWorker | None = None
        self._starting = ProcessLock()
        self._log = LogThrottle(_logger)
        # APScheduler is slow to import. The import of this package does not load it, since not
        # every program that imports the package serves requests; and the first request should not
        # have to wait for it.
        from . import scheduler  # noqa: F401 - imported for the side effect

        _exporters.add(self)
        shut_down_at_exit(self)

    def hand_over(self, line: bytes, mask: int) -> None:
        """Store one record. A request does no other part of delivery.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        """
        worker = self._worker
        # By pid: under uWSGI is_alive() and os.register_at_fork() do not reveal a fork.
        if worker is None or worker.pid != current_pid():
            worker = self._start()
        try:
            worker.append(line, mask)
        except OSError as error:
            self._lose(worker.buffer, mask, error)
        except ClosedError:
            self.hand_over(line, mask)  # another thread has just closed that worker
        if time.monotonic() > worker.supervise_after:
            worker.supervise()

    def _lose(self, buffer: Buffer, mask: int, error: OSError) -> None:
        if not isinstance(error, TornRecordError):
            buffer.count_lost(mask, "journal")
        self._log.warning(
            "journal",
            "a record could not be stored in %s and is lost: %s; make that writable, with free "
            "space, or set CHEST_JOURNAL_DIR",
            self._config.buffer_location,
            # Only the text: a log handler that keeps the error would keep the segment open, which
            # the frames of its traceback refer to.
            str(error),
        )

    def start(self) -> None:
        """Start delivery without waiting for a first record, as an agent does."""
        self._start()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what this process has captured; return whether no record is left.

        :param timeout: seconds to wait; ``None`` waits until every chest has been tried.
        """
        worker = self._own_worker()
        return True if worker is None else worker.flush(timeout)

    def ledger(self) -> Ledger:
        """Return the ledger: of all processes if the buffer is the journal, else of this one."""
        return self._buffer().ledger()

    def oldest_pending(self, chest: str) -> int | None:
        """Return when the oldest record that waits for a chest was made, in µs since 1970 UTC."""
        return self._buffer().oldest_pending(chest)

    def close(self) -> None:
        """Deliver within the shutdown timeout, then stop. A later record starts a new worker."""
        shutdown = self.start_shutdown()
        if shutdown is not None:
            shutdown.wait()
        else:
            # A health check may have opened connections without any delivery.
            close_chests(self._config.chests)

    def start_shutdown(self) -> Shutdown | None:
        """Request a last flush. A later record starts a new worker.

        :returns: the shutdown to wait for; ``None`` if this process has no worker.
        """
        worker = self._own_worker()
        self._worker = None
        return None if worker is None else Shutdown(worker)

    def after_fork_in_child(self) -> None:
        """Drop the parent's worker without touching the parent's files."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.buffer.after_fork_in_child()

    def _own_worker(self) -> DeliveryWorker | None:
        worker = self._worker
        return None if worker is None or worker.pid != os.getpid() else worker

    def _buffer(self) -> Buffer:
        worker = self._own_worker()
        return self._config.make_buffer(lambda *_: None) if worker is None else worker.buffer

    def _start(self) -> DeliveryWorker:
        with self._starting.mine:
            worker = self._own_worker()
            if worker is None:
                self.after_fork_in_child()  # in case of a fork that Python did not notice
                worker = self._worker = DeliveryWorker(self._config)
            return worker


_exporters: weakref.WeakSet[Exporter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for exporter in list(_exporters):
        exporter.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
