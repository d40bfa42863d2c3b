"""The delivery of one app in the background: it hands records to a pipeline of this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .._process_lock import current_process
from .._throttle import LogThrottle
from .buffer_protocol import Buffer, ClosedError, TornRecordError
from .delivery_config import DeliveryConfig
from .exporter import current_exporter
from .fork_detection import PerProcessPipeline
from .ledger import Ledger
from .pipeline import close_chests, wait_for_all

_logger = logging.getLogger("flask_chest.delivery")


class BackgroundDelivery(PerProcessPipeline):
    """Accepts the records of one app, which the exporter of the process delivers.

    The first record in each process starts the exporter, or joins it. The delivery ends when the
    app is garbage-collected.

    :param config: how records are delivered.
    :param app: the app; signals are sent in its name.
    """

    def __init__(self, config: DeliveryConfig, app: object) -> None:
        super().__init__(config, app)
        self._log = LogThrottle(_logger)

    def hand_over(self, line: bytes, mask: int) -> None:
        """Store one record. A request does no other part of delivery.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        """
        pipeline = self._pipeline
        try:
            # Under uWSGI is_alive() and os.register_at_fork() do not reveal a fork.
            if pipeline is None or pipeline.pid != current_process():
                pipeline = self.start()
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

    def supervise(self) -> None:
        """Check that the exporter runs in this process; restart it if it does not."""
        pipeline = self.own_pipeline()
        if pipeline is not None:
            current_exporter().supervise(pipeline)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what this process has captured; return whether no record is left.

        :param timeout: seconds to wait; ``None`` waits until every chest has been tried.
        """
        pipeline = self.own_pipeline()
        return True if pipeline is None else pipeline.flush(timeout)

    def deliver_now(self, timeout: float) -> None:
        """Try to deliver what waits, except to chests that failed and are tried again later.

        :param timeout: seconds to wait at most.
        """
        pipeline = self.own_pipeline()
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
        pipeline = self.own_pipeline()
        self._pipeline = None
        if pipeline is None:
            # A health check may have opened connections without any delivery.
            return lambda: close_chests(self._config.chests)
        return current_exporter().leave(self, pipeline)

    def _buffer(self) -> Buffer:
        pipeline = self.own_pipeline()
        return self._config.make_buffer(lambda *_: None) if pipeline is None else pipeline.buffer

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
