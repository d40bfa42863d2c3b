"""Records that wait in memory: fast, and gone with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from ..record.encoding import made_at
from .buffer import ClosedError, LossListener, Page
from .ledger import Ledger


class MemoryBuffer:
    """A queue for each chest.

    :param chests: the chests' names; their order gives the bits of a mask.
    :param max_bytes: what may wait for one chest; over it the oldest records go.
    :param on_lost: told of records that went.
    """

    def __init__(self, chests: Sequence[str], max_bytes: int, on_lost: LossListener) -> None:
        self.appended = 0
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
            # They were given up at the end, while they were under way.
            account.lost["exit"] -= delivered + rejected
        else:
            self._queue(chest).drop_taken(page.end)
        account.delivered += delivered
        account.rejected += rejected

    def tend(self) -> None:
        for queue in self._queues:
            self._tell_overflow(queue)

    def count_lost(self, mask: int, reason: str) -> None:
        for bit, queue in enumerate(self._queues):
            if mask >> bit & 1:
                self._lose(queue.name, reason, 1)

    def ledger(self) -> Ledger:
        self.tend()
        for queue in self._queues:
            self._ledger.account(queue.name).pending = len(queue)
        return self._ledger

    def oldest(self, chest: str) -> int | None:
        line = self._queue(chest).first()
        return None if line is None else made_at(line)

    def close(self) -> None:
        self._closed = True
        for queue in self._queues:
            left = queue.clear()
            if left:
                self._lose(queue.name, "exit", left)

    def abandon(self) -> None:
        """Memory is not shared with a parent."""

    def _queue(self, chest: str) -> _Queue:
        return next(queue for queue in self._queues if queue.name == chest)

    def _tell_overflow(self, queue: _Queue) -> None:
        count = queue.overflowed - queue.told
        if count:
            queue.told += count
            self._lose(queue.name, "overflow", count)

    def _lose(self, chest: str, reason: str, count: int) -> None:
        self._ledger.account(chest).lost[reason] += count
        self._on_lost(chest, reason, count)


class _Queue:
    """What waits for one chest. Requests append and, when it is full, drop; delivery takes."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self.overflowed = 0
        self.told = 0
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        # Handed to the chest and not yet accepted: out of reach of an overflow.
        self._taken: deque[bytes] = deque()
        # Changed without a lock: under the GIL no thread switch falls into "+="; where one does, in
        # a build without it, the limit is off by a record's bytes until the queue is next empty.
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
        for waiting in (self._taken, self._waiting):
            # Delivery may take it between a look at the length and one at the record.
            with suppress(IndexError):
                return waiting[0]
        return None

    def clear(self) -> int:
        left = len(self)
        self._waiting.clear()
        self._taken.clear()
        self._bytes = 0
        return left
