"""When a chest is looked after."""

from __future__ import annotations

import time

from .buffer import Buffer
from .sender import Sender


class BatchTimer:
    """A batch goes when it is full or when the interval is over, whichever is first.

    :param shipper: delivers to the chest.
    :param buffer: where records wait.
    :param interval: seconds after which a batch goes that is not full.
    :param batch_size: records a batch.
    """

    def __init__(self, shipper: Sender, buffer: Buffer, interval: float, batch_size: int) -> None:
        self._shipper = shipper
        self._buffer = buffer
        self._interval = interval
        self._batch_size = batch_size
        self._shipped_at = 0.0
        self._shipped_count = 0

    def tick(self) -> None:
        """Deliver, where it is time."""
        now, count = time.monotonic(), self._buffer.appended
        full = count - self._shipped_count >= self._batch_size
        # A tick that comes a little early must not make a batch wait for two.
        due = now - self._shipped_at >= self._interval * 0.9
        if full or due or self._shipper.asked:
            self._shipped_at, self._shipped_count = now, count
            self._shipper.ship()
