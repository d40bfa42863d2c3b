"""Carries the records of one chest from the buffer to it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from .._throttle import LogThrottle
from ..errors import DeliveryError, RejectedError
from ..record.encoding import Batch
from ..record.record import Record
from ..signals import announce, batch_delivered, delivery_failed
from . import backoff as retry
from .buffer import Buffer, Page, Source

_logger = logging.getLogger("flask_chest.delivery")


class ChestLike(Protocol):
    """What delivery knows of a chest."""

    @property
    def name(self) -> str:
        """Its name in the ledger."""

    @property
    def lock(self) -> threading.Lock:
        """Held while it writes."""

    def write(self, records: Sequence[Record], /) -> None:
        """Store records, or raise."""

    def close(self) -> None:
        """Let go of connections."""


class Sender:
    """Delivers to one chest.

    A batch that is rejected is halved, over and over, until the bad record is alone: each half that
    is accepted is done with at once, so that nothing found out is lost in a crash.

    :param chest: where records go.
    :param buffer: where they wait.
    :param batch_size: records a batch.
    :param sender: the app, for signals.
    :param bury: keeps a record that will never be accepted, with the reason.
    """

    def __init__(
        self,
        chest: ChestLike,
        buffer: Buffer,
        batch_size: int,
        sender: object,
        bury: Callable[[str, Sequence[bytes], str], None],
    ) -> None:
        self.chest = chest
        self._buffer = buffer
        self._batch_size = batch_size
        self._sender = sender
        self._bury = bury
        self._log = LogThrottle(_logger)
        self._limit = batch_size
        self._failures = 0
        self._not_before = 0.0
        self._waiters: list[threading.Event] = []
        self._hurried = False
        self._shipping = threading.Lock()
        #: Set while nothing is under way.
        self.idle = threading.Event()
        self.idle.set()
        #: Set when delivery must come to an end.
        self.stopped = threading.Event()

    def ask_to_flush(self) -> threading.Event:
        """Ask for everything to be tried now; the event is set when it was."""
        done = threading.Event()
        self._waiters.append(done)
        return done

    @property
    def asked(self) -> bool:
        """Whether somebody waits for a flush."""
        return bool(self._waiters)

    def ship(self) -> None:
        """Deliver what waits; where somebody asked to flush, until there is no more."""
        # Where the scheduler was replaced, a thread of the old one may still be at it.
        with self._shipping:
            waiters, self._waiters = self._waiters, []
            self._hurried = bool(waiters)
            self.idle.clear()
            try:
                # Asked for, it is tried even where a failure has just said when to try again.
                if waiters or time.monotonic() >= self._not_before:
                    self._ship_all()
            finally:
                self.idle.set()
                for done in waiters:
                    done.set()

    def _ship_all(self) -> None:
        for source in self._buffer.sources():
            try:
                if not self._drain(source):
                    return
            except OSError as error:
                # One that cannot be read must not stand in the way of the others.
                self._log.warning(
                    "unreadable", "chest %r: records cannot be read: %s", self.chest.name, error
                )

    def _drain(self, source: Source) -> bool:
        while not self.stopped.is_set():
            page = source.read(self.chest.name, self._limit)
            if page is None:
                return True
            if not self._deliver(source, page):
                return False
            # What came while this was sent waits for its turn. Else the delivery of an app in use
            # would never end: batches of a few records, each at the price of a whole one.
            if page.last and not self._hurried:
                return True
        return False

    def _deliver(self, source: Source, page: Page) -> bool:
        records = Batch(page.lines)
        try:
            if records:
                with self.chest.lock:
                    self.chest.write(records)
        except RejectedError as error:
            return self._reject(source, page, error)
        except DeliveryError as error:
            self._back_off(error, len(records), error.retry_after)
            return False
        except Exception as error:  # noqa: BLE001 - a backend of theirs may raise anything
            self._back_off(error, len(records), None)
            return False
        source.commit(self.chest.name, page, delivered=len(records), rejected=0)
        self._succeed(len(records))
        return True

    def _succeed(self, count: int) -> None:
        if self._failures:
            _logger.info("chest %r takes records again", self.chest.name)
        self._failures = 0
        self._limit = min(self._batch_size, self._limit * 2)
        if count:
            announce(batch_delivered, self._sender, chest=self.chest.name, count=count)

    def _reject(self, source: Source, page: Page, error: RejectedError) -> bool:
        lines = page.lines
        if error.unnamed:
            # Which of them is not known, so none can be buried: the ledger and the log tell of it.
            self._settle_rejected(source, page, error, min(error.unnamed, len(lines)))
            return True
        bad: Sequence[bytes] = _blamed(lines, error)
        if not bad and len(lines) > 1:
            self._limit = len(lines) // 2
            return True
        bad = bad or lines
        try:
            self._bury(self.chest.name, bad, str(error))
        except OSError as trouble:
            self._back_off(trouble, len(bad), None)
            return False
        self._settle_rejected(source, page, error, len(bad))
        return True

    def _settle_rejected(
        self, source: Source, page: Page, error: RejectedError, count: int
    ) -> None:
        name = self.chest.name
        source.commit(name, page, delivered=len(page.lines) - count, rejected=count)
        self._log.warning("rejected", "chest %r rejected a record: %s", name, error)
        self._limit = min(self._batch_size, self._limit * 2)
        announce(delivery_failed, self._sender, chest=name, error=error, count=count)

    def _back_off(self, error: Exception, count: int, retry_after: float | None) -> None:
        self._failures += 1
        pause = retry.delay(self._failures, retry_after)
        self._not_before = time.monotonic() + pause
        self._log.warning(
            "failed",
            "chest %r: delivery failed, its records wait and are sent again: %s",
            self.chest.name,
            error,
        )
        announce(delivery_failed, self._sender, chest=self.chest.name, error=error, count=count)


def _blamed(lines: Sequence[bytes], error: RejectedError) -> list[bytes]:
    """The lines that the backend named as the rejected ones; none where it did not say."""
    if error.record_ids is None:
        return []
    pairs = zip(lines, Batch(lines), strict=True)
    return [line for line, record in pairs if record.id in error.record_ids]
