"""Decides when the next batch is sent to a chest."""

from __future__ import annotations

import time

from .buffer_protocol import Buffer
from .sender import Sender


class BatchTimer:
    """A batch is due when it is full or when the interval is over, whichever comes first.

    :param sender: delivers to the chest.
    :param buffer: where records wait.
    :param interval: seconds after which an incomplete batch is sent.
    :param batch_size: records per batch.
    """

    def __init__(self, sender: Sender, buffer: Buffer, interval: float, batch_size: int) -> None:
        self._sender = sender
        self._buffer = buffer
        self._interval = interval
        self._batch_size = batch_size
        self._sent_at = 0.0
        self._sent_count = 0
        self._sources = 0

    def is_due(self) -> bool:
        """Return whether a batch should be sent now; the next one is then due later."""
        now, count = time.monotonic(), self._buffer.appended
        full = count - self._sent_count >= self._batch_size
        # A tick that comes slightly early must not delay a batch by a whole further tick.
        over = now - self._sent_at >= self._interval * 0.9
        if not (full or over) or self._nothing_new(count):
            return False
        self._sent_at, self._sent_count = now, count
        return True

    def _nothing_new(self, count: int) -> bool:
        sources = len(self._buffer.sources())
        same = sources == self._sources and count == self._sent_count
        self._sources = sources
        return same and self._sender.drained and not self._buffer.others_append
