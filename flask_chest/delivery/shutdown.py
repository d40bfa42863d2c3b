"""Ends delivery when the process exits: a last flush within ``CHEST_SHUTDOWN_TIMEOUT``."""

from __future__ import annotations

import atexit
import time
import weakref
from typing import Protocol

from .worker import DeliveryWorker, wait_for_all

# The last seconds of the shutdown timeout, in which no new batch is started.
_LAST_BATCH_SECONDS = 0.5


class Shutdown:
    """Ends the delivery of one process within its shutdown timeout, which starts now.

    :param worker: the delivery to end.
    """

    def __init__(self, worker: DeliveryWorker) -> None:
        timeout = worker.shutdown_timeout
        self._worker = worker
        self._deadline = time.monotonic() + timeout
        # If there is more than can be delivered, the current batch still gets time to finish.
        self._stop_at = self._deadline - min(_LAST_BATCH_SECONDS, timeout / 4)
        self._flushed = worker.request_flush()

    def wait(self) -> None:
        """Wait for the records that can be delivered in time, then close the buffer and chests."""
        wait_for_all(self._flushed, self._stop_at)
        self._worker.stop()
        self._worker.wait_until_idle(self._deadline)
        self._worker.close()


class _Exporter(Protocol):
    def start_shutdown(self) -> Shutdown | None: ...


_exporters: weakref.WeakSet[_Exporter] = weakref.WeakSet()


def shut_down_at_exit(exporter: _Exporter) -> None:
    """Shut an exporter down when the interpreter exits, as after SIGTERM under a WSGI server."""
    _exporters.add(exporter)


def _shut_down_all() -> None:
    # All exporters flush at the same time: several apps together take no longer than one.
    for shutdown in [exporter.start_shutdown() for exporter in list(_exporters)]:
        if shutdown is not None:
            shutdown.wait()


atexit.register(_shut_down_all)
