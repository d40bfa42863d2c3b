"""Ends delivery when the process exits: a last flush within ``CHEST_SHUTDOWN_TIMEOUT``."""

from __future__ import annotations

# A driver that is first imported during the last flush may need this module, which refuses to be
# imported when the interpreter shuts down: it calls threading._register_atexit().
import concurrent.futures.thread  # noqa: F401
import time
from collections.abc import Collection

from .pipeline import Pipeline, wait_for_all
from .sender import ChestLike

# The last seconds of the shutdown timeout, in which no new batch is started.
_LAST_BATCH_SECONDS = 0.5
# Seconds to close files after a batch has used up the timeout.
_CLOSE_SECONDS = 0.25


class Shutdown:
    """Ends pipelines together, within one shutdown timeout, which starts now.

    :param pipelines: the pipelines to end.
    :param keep: chests that other pipelines use, and that stay open.
    """

    def __init__(self, pipelines: Collection[Pipeline], keep: Collection[ChestLike] = ()) -> None:
        timeout = max((each.config.shutdown_timeout for each in pipelines), default=0.0)
        self._pipelines = pipelines
        self._keep = keep
        self._deadline = time.monotonic() + timeout
        # If there is more than can be delivered, the current batch still gets time to finish.
        self._stop_at = self._deadline - min(_LAST_BATCH_SECONDS, timeout / 4)
        self._flushed = [event for each in pipelines for event in each.request_flush()]

    def wait(self) -> None:
        """Wait for the records that can be delivered in time, then close buffers and chests."""
        wait_for_all(self._flushed, self._stop_at)
        for pipeline in self._pipelines:
            pipeline.stop()
        for pipeline in self._pipelines:
            pipeline.wait_until_idle(self._deadline)
        closed = [pipeline.request_close(self._keep) for pipeline in self._pipelines]
        # Not longer: an fsync may hang. At the end of the process the kernel releases all locks.
        wait_for_all(closed, max(self._deadline, time.monotonic() + _CLOSE_SECONDS))
