"""The delivery of one app in the background: it hands records to a pipeline of this process."""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections.abc import Callable
from types import FrameType

from .._process_lock import ProcessLock, current_process
from .._throttle import LogThrottle
from .buffer_protocol import Buffer, ClosedError, TornRecordError
from .delivery_config import DeliveryConfig
from .exporter import current_exporter
from .ledger import Ledger
from .pipeline import Pipeline, close_chests, wait_for_all

_logger = logging.getLogger("flask_chest.delivery")


class BackgroundDelivery:
    """Accepts the records of one app, which the exporter of the process delivers.

    The first record in each process starts the exporter, or joins it. The delivery ends when the
    app is garbage-collected.

    :param config: how records are delivered.
    :param app: the app; signals are sent in its name.
    """

    def __init__(self, config: DeliveryConfig, app: object) -> None:
        self._config = config
        self._app = weakref.ref(app)
        self._pipeline: Pipeline | None = None
        self._starting = ProcessLock()
        self._log = LogThrottle(_logger)
        # APScheduler is slow to import. The import of this package does not load it, since not
        # every program that imports the package serves requests; and the first request should not
        # have to wait for it.
        from . import apscheduler_job  # noqa: F401 - imported for the side effect

        _deliveries.add(self)

    @property
    def app(self) -> object:
        """The app; ``None`` if it is gone."""
        return self._app()

    def hand_over(self, line: bytes, mask: int) -> None:
        """Store one record. A request does no other part of delivery.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        """
        pipeline = self._pipeline
        try:
            # Under uWSGI is_alive() and os.register_at_fork() do not reveal a fork.
            if pipeline is None or pipeline.pid != current_process():
                pipeline = self._start()
            pipeline.append(line, mask)
        except ClosedError:
            # Another thread has just closed that pipeline.
            if self._pipeline is pipeline:
                self._pipeline = None
            self.hand_over(line, mask)
            return
        except Exception as error:  # noqa: BLE001 - a request must not feel any failure
            self._lose(mask, error)
            return
        if time.monotonic() > pipeline.supervise_after:
            self.supervise()

    def start(self) -> None:
        """Start delivery without waiting for a first record, as an agent does."""
        self._start()

    def start_for_children(self) -> None:
        """Start delivery in a process that serves by forked children, if the buffer is shared."""
        if self._config.reopens and self._config.delivers:
            self._start()

    def supervise(self) -> None:
        """Check that the exporter runs in this process; restart it if it does not."""
        pipeline = self._own_pipeline()
        if pipeline is not None:
            current_exporter().supervise(pipeline)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what this process has captured; return whether no record is left.

        :param timeout: seconds to wait; ``None`` waits until every chest has been tried.
        """
        pipeline = self._own_pipeline()
        return True if pipeline is None else pipeline.flush(timeout)

    def deliver_now(self, timeout: float) -> None:
        """Try to deliver what waits, except to chests that failed and are tried again later.

        :param timeout: seconds to wait at most.
        """
        pipeline = self._own_pipeline()
        if pipeline is None:
            return
        try:
            wait_for_all(pipeline.send_due(), time.monotonic() + timeout)
        except Exception as error:  # noqa: BLE001 - a request must not feel any failure
            self._log.warning("flush", "records wait, since delivery failed: %r", error)

    def ledger(self) -> Ledger:
        """Return the ledger: of all processes if the buffer is the journal, else of this one."""
        return self._buffer().ledger()

    def oldest_pending(self, chest: str) -> int | None:
        """Return when the oldest record that waits for a chest was made, in µs since 1970 UTC."""
        return self._buffer().oldest_pending(chest)

    def close(self) -> None:
        """Deliver within the shutdown timeout, then stop. A later record starts again."""
        self.start_close()()

    def start_close(self) -> Callable[[], None]:
        """Request a last flush; return a function that waits for it, and then releases all."""
        pipeline = self._own_pipeline()
        self._pipeline = None
        if pipeline is None:
            # A health check may have opened connections without any delivery.
            return lambda: close_chests(self._config.chests)
        return current_exporter().leave(self, pipeline)

    def after_fork_in_child(self) -> None:
        """Drop the parent's pipeline without touching the parent's files."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.buffer.after_fork_in_child()

    def _own_pipeline(self) -> Pipeline | None:
        pipeline = self._pipeline
        if pipeline is None or pipeline.pid != current_process() or pipeline.closing:
            return None
        return pipeline

    def _buffer(self) -> Buffer:
        pipeline = self._own_pipeline()
        return self._config.make_buffer(lambda *_: None) if pipeline is None else pipeline.buffer

    def _start(self) -> Pipeline:
        with self._starting.mine:
            pipeline = self._own_pipeline()
            if pipeline is None:
                if self._pipeline is not None and self._pipeline.pid != current_process():
                    self.after_fork_in_child()  # in case of a fork that Python did not notice
                pipeline = self._pipeline = current_exporter().join(self, self._config)
            return pipeline

    def _lose(self, mask: int, error: Exception) -> None:
        pipeline = self._pipeline
        if pipeline is not None and not isinstance(error, TornRecordError):
            pipeline.buffer.count_lost(mask, "journal")
        self._log.warning(
            "journal",
            "a record could not be stored in %s and is lost: %s; make that writable, with free "
            "space, or set CHEST_JOURNAL_DIR",
            self._config.buffer_location,
            # Only the text: a log handler that keeps the error would keep the segment open, which
            # the frames of its traceback refer to.
            str(error) if isinstance(error, OSError) else repr(error),
        )


_deliveries: weakref.WeakSet[BackgroundDelivery] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for delivery in list(_deliveries):
        delivery.after_fork_in_child()


def _after_fork_in_parent() -> None:
    # A child that answers one request ends before it has delivered anything. So the parent delivers
    # what its children have left in the journal.
    if _forks_for_a_request():
        for delivery in list(_deliveries):
            delivery.start_for_children()


def _forks_for_a_request() -> bool:
    """Return whether the standard library's server forks now, which has a process per request."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "process_request":
            return frame.f_globals.get("__name__") == "socketserver"
        frame = frame.f_back
    return False


os.register_at_fork(after_in_child=_after_fork_in_child, after_in_parent=_after_fork_in_parent)
