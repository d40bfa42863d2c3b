"""``CHEST_BUFFER = "memory"``: keeps waiting records in memory; they are lost with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from ..record.json_line import made_at
from .buffer_protocol import ClosedError, LossListener, Page
from .ledger import Ledger


class MemoryBuffer:
    """A queue for each chest.

    :param chests: the chests' names; their order sets the bits of a mask.
    :param max_bytes: the size limit of one chest's queue; above it the oldest records are dropped.
    :param on_lost: called for dropped records.
    """

    def __init__(self, chests: Sequence[str], max_bytes: int, on_lost: LossListener) -> None:
        self.appended = 0
        self.others_append = False
        self._queues = [_Queue(name, max_bytes) for name in chests]
        self._on_lost = on_lost
        self._closed = False
        self._ledger = Ledger()
        for name in chests:
            self._ledger.account(name)

    def append(self, line: bytes, mask: int) -> None:
        if self._closed:
            raise ClosedError
        self.appended += 1
        for bit, queue in enumerate(self._queues):
            if mask >> bit & 1:
                queue.append(line)

    def sources(self) -> Sequence[MemoryBuffer]:
        return (self,)

    def read(self, chest: str, limit: int) -> Page | None:
        lines = self._queue(chest).take(limit)
        return Page(lines, len(lines), last=len(lines) < limit) if lines else None

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        account = self._ledger.account(chest)
        if self._closed:
            # close() counted these records as lost while they were being sent.
            account.lost["exit"] -= delivered + rejected
        else:
            self._queue(chest).drop_taken(page.end)
        account.delivered += delivered
        account.rejected += rejected

    def maintain(self) -> None:
        for queue in self._queues:
            self._report_overflow(queue)

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, queue in enumerate(self._queues):
            if mask >> bit & 1:
                self._count_lost(queue.name, reason, 1)

    def ledger(self) -> Ledger:
        self.maintain()
        for queue in self._queues:
            self._ledger.account(queue.name).pending = len(queue)
        return self._ledger

    def oldest_pending(self, chest: str) -> int | None:
        line = self._queue(chest).first()
        return None if line is None else made_at(line)

    def close(self) -> None:
        self._closed = True
        for queue in self._queues:
            undelivered = queue.clear()
            if undelivered:
                self._count_lost(queue.name, "exit", undelivered)

    def after_fork_in_child(self) -> None:
        """Do nothing: the child has its own copy of the parent's memory, and no file."""

    def _queue(self, chest: str) -> _Queue:
        return next(queue for queue in self._queues if queue.name == chest)

    def _report_overflow(self, queue: _Queue) -> None:
        count = queue.overflowed - queue.reported
        if count:
            queue.reported += count
            self._count_lost(queue.name, "overflow", count)

    def _count_lost(self, chest: str, reason: str, count: int) -> None:
        self._ledger.account(chest).lost[reason] += count
        self._on_lost(chest, reason, count)


class _Queue:
    """The records that wait for one chest.

    Request threads append, and drop the oldest records of a full queue; the delivery thread takes.
    """

    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self.overflowed = 0
        #: How many of ``overflowed`` are in the ledger.
        self.reported = 0
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        # Sent to the chest and not accepted yet; an overflow does not drop these.
        self._taken: deque[bytes] = deque()
        # Changed without a lock: under the GIL no thread switch happens within "+=". In a build
        # without the GIL the size may be off by one record until the queue is empty again.
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def append(self, line: bytes) -> None:
        self._waiting.append(line)
        self._bytes += len(line)
        while self._bytes > self._max_bytes:
            try:
                self._bytes -= len(self._waiting.popleft())
            except IndexError:
                self._bytes = 0
                return
            self.overflowed += 1

    def take(self, limit: int) -> list[bytes]:
        while len(self._taken) < limit:
            try:
                line = self._waiting.popleft()
            except IndexError:
                if not self._taken:
                    self._bytes = 0
                break
            self._bytes -= len(line)
            self._taken.append(line)
        return list(islice(self._taken, limit))

    def drop_taken(self, count: int) -> None:
        for _ in range(count):
            self._taken.popleft()

    def first(self) -> bytes | None:
        for queue in (self._taken, self._waiting):
            # The delivery thread may empty the queue at any moment, so no length is checked first.
            with suppress(IndexError):
                return queue[0]
        return None

    def clear(self) -> int:
        count = len(self)
        self._waiting.clear()
        self._taken.clear()
        self._bytes = 0
        return count
