"""Sends the waiting records to one chest: batches, retries, rejections."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from .._throttle import LogThrottle
from ..errors import DeliveryError, RejectedError
from ..record.batch import Batch
from ..record.printable_text import printable
from ..record.record import Record
from ..signals import batch_delivered, delivery_failed
from .buffer_protocol import Buffer, Page, Source
from .poison_record import PoisonFinder
from .rejected_batch_bisection import Bisection
from .retry_delay import retry_delay

_logger = logging.getLogger("flask_chest.delivery")

#: Stores rejected records as dead letters; called with the chest's name, the lines and the reason.
RejectionListener: TypeAlias = Callable[[str, Sequence[bytes], str], None]
#: Announces a signal with its details to the apps that share a sender.
Announce: TypeAlias = Callable[..., None]


class ChestLike(Protocol):
    """The part of a chest that delivery uses."""

    @property
    def name(self) -> str:
        """The chest's name in the ledger."""

    @property
    def lock(self) -> threading.Lock:
        """Held during each call of the chest."""

    def location(self) -> str:
        """A text that identifies the chest's store; empty if the chest does not know one."""

    def write(self, records: Sequence[Record], /) -> None:
        """Store records, or raise."""

    def close(self) -> None:
        """Close the connections."""


class Sender:
    """Delivers to one chest.

    :param chest: where records are sent.
    :param buffer: where they wait.
    :param batch_size: records per batch.
    :param announce: announces a signal.
    :param on_rejected: stores records that the chest will never accept.
    """

    def __init__(
        self,
        chest: ChestLike,
        buffer: Buffer,
        batch_size: int,
        announce: Announce,
        on_rejected: RejectionListener,
    ) -> None:
        self.chest = chest
        self._buffer = buffer
        self._bisection = Bisection(batch_size)
        self._poison = PoisonFinder()
        self._announce = announce
        self._on_rejected = on_rejected
        self._log = LogThrottle(_logger)
        self._failures = 0
        self._retry_at = 0.0
        self._flush_requests: list[threading.Event] = []
        self._flushing = False
        self._sending = threading.Lock()
        #: Whether the last :meth:`send` left no record that was there when it began.
        self.drained = False
        #: Set while no batch may be started, as during a fork.
        self.paused = threading.Event()
        #: Set while no batch is being sent.
        self.idle = threading.Event()
        self.idle.set()
        #: Set to end delivery after the current batch.
        self.stopped = threading.Event()

    def request_flush(self) -> threading.Event:
        """Request that :meth:`send` tries all records now.

        :returns: an event that is set when it has tried.
        """
        done = threading.Event()
        self._flush_requests.append(done)
        return done

    @property
    def flush_requested(self) -> bool:
        """Whether a caller waits for a flush."""
        return bool(self._flush_requests)

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def backs_off(self) -> bool:
        """Return whether the chest failed, and is to be tried again later."""
        return time.monotonic() < self._retry_at

    def send(self) -> None:
        """Deliver the waiting records; during a flush, until none are left."""
        # After the scheduler was replaced, a thread of the old one may still be sending.
        with self._sending:
            requests, self._flush_requests = self._flush_requests, []
            self._flushing = bool(requests)
            self.idle.clear()
            self.drained = False
            try:
                # A flush does not wait for the end of a backoff.
                if requests or time.monotonic() >= self._retry_at:
                    self.drained = self._send_all()
            finally:
                self.idle.set()
                if self.paused.is_set():  # the rest is sent after the pause
                    self._flush_requests += requests
                    requests = []
                for done in requests:
                    done.set()

    def _send_all(self) -> bool:
        complete = True
        for source in self._buffer.sources():
            try:
                if not self._drain(source):
                    return False
            except OSError as error:
                # One unreadable source must not block the others.
                self._log.warning(
                    "unreadable", "chest %r: records cannot be read: %s", self.chest.name, error
                )
                complete = False
        return complete

    def _drain(self, source: Source) -> bool:
        """Send the records of one source; ``False`` if the chest cannot take more now."""
        while not (self.stopped.is_set() or self.paused.is_set()):
            page = source.read(self.chest.name, self._bisection.limit)
            if page is None:
                return True
            if not self._deliver(source, page):
                return False
            # Records that arrived meanwhile wait for the next tick. Otherwise a busy app would
            # cause an endless series of small batches, each at the price of a full one.
            if page.last and not self._flushing:
                return True
        return False

    def _deliver(self, source: Source, page: Page) -> bool:
        records = Batch(page.lines)
        try:
            if records:
                self._write(records)
        except RejectedError as error:
            return self._reject(source, page, error)
        except Exception as error:  # noqa: BLE001 - a user's chest may raise anything
            return self._fail(source, page, error)
        source.commit(self.chest.name, page, delivered=len(records), rejected=0)
        self._succeed(len(records))
        return True

    def _write(self, records: Batch) -> None:
        with self.chest.lock:
            self.chest.write(records)

    def _fail(self, source: Source, page: Page, error: Exception) -> bool:
        self._bisection.limit = max(1, self._poison.note_failure(page.lines, error))
        if self._poison.has_suspect and self._skip_poison(source, error):
            return True
        retry_after = error.retry_after if isinstance(error, DeliveryError) else None
        self._back_off(error, len(page.lines), retry_after)
        return False

    def _skip_poison(self, source: Source, error: Exception) -> bool:
        """Dead-letter records that keep failing; ``False`` if the store accepts no other record."""
        page = source.read(self.chest.name, self._poison.needed)
        found = None if page is None else self._poison.find(page.lines, error, self._write)
        if found is None:
            return False
        page = source.read(self.chest.name, found.size)
        if page is None or len(page.lines) != found.size:
            return False  # the buffer has dropped records meanwhile
        try:
            for position, failure in found.errors.items():
                reason = f"the store fails for this record, but accepts others: {failure}"
                self._on_rejected(self.chest.name, [page.lines[position]], printable(reason))
        except OSError as disk_error:
            self._back_off(disk_error, len(found.errors), None)
            return False
        self._commit_rejected(source, page, error, len(found.errors))
        return True

    def _succeed(self, count: int) -> None:
        if self._failures:
            _logger.info("chest %r accepts records again", self.chest.name)
        self._failures = 0
        self._bisection.grow()
        if count:
            self._announce(batch_delivered, chest=self.chest.name, count=count)

    def _reject(self, source: Source, page: Page, error: RejectedError) -> bool:
        if error.unnamed:
            # The store did not say which records it rejected, so there is no dead letter to
            # write: only the ledger and the log report them.
            count = min(error.unnamed, len(page.lines))
            self._commit_rejected(source, page, error, count)
            return True
        rejected = self._bisection.find_rejected(page.lines, error)
        if rejected is None:
            return True
        try:
            self._on_rejected(self.chest.name, rejected, printable(str(error)))
        except OSError as disk_error:
            self._back_off(disk_error, len(rejected), None)
            return False
        self._commit_rejected(source, page, error, len(rejected))
        return True

    def _commit_rejected(self, source: Source, page: Page, error: Exception, count: int) -> None:
        name = self.chest.name
        source.commit(name, page, delivered=len(page.lines) - count, rejected=count)
        reason = printable(str(error))
        self._log.warning("rejected", "chest %r rejected a record: %s", name, reason)
        self._bisection.grow()
        self._announce(delivery_failed, chest=name, error=error, count=count)

    def _back_off(self, error: Exception, count: int, retry_after: float | None) -> None:
        self._failures += 1
        self._retry_at = time.monotonic() + retry_delay(self._failures, retry_after)
        name = self.chest.name
        self._log.warning(
            "failed",
            "chest %r: delivery failed, its records wait and are sent again: %s",
            name,
            printable(str(error)),
        )
        self._announce(delivery_failed, chest=name, error=error, count=count)
