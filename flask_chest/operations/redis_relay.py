"""Delivers the entries of a Redis stream: a buffer that reads from a consumer group."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import orjson

from .._throttle import LogThrottle
from ..chests.redis.chest import FIELD
from ..chests.redis.consumer_group import ClaimedEntries, ConsumerGroup
from ..delivery.buffer_protocol import LossListener, Page
from ..delivery.ledger import Ledger
from ..errors import QueryError
from ..query.export_ndjson import from_line
from ..record.json_line import encode

_logger = logging.getLogger("flask_chest.relay")

# Milliseconds after which an idle consumer without entries is deleted.
_DELETE_CONSUMERS_AFTER = 24 * 60 * 60 * 1000


class StreamBuffer:
    """Holds the entries that one consumer has read from the stream and not yet delivered.

    The consumer acknowledges an entry when its record was delivered or stored as a dead letter.
    Until then the entry stays in Redis, where another consumer can claim it if this one is dead.

    :param group: the consumer.
    :param target: the name of the chest that gets the records.
    :param on_rejected: stores dead letters.
    :param on_lost: called with entries that Redis trimmed before they were delivered.
    :param claim_after: seconds without a command after which a consumer counts as dead.
    :param ledger: counts delivered, rejected and lost entries.
    """

    #: Nothing is appended in this process.
    appended = 0
    others_append = True

    def __init__(
        self,
        group: ConsumerGroup,
        target: str,
        on_rejected: Callable[[str, Sequence[bytes], str], None],
        on_lost: LossListener,
        claim_after: float,
        ledger: Ledger,
    ) -> None:
        self._group = group
        self._target = target
        self._add_dead_letters = on_rejected
        self._on_lost = on_lost
        self._claim_after = claim_after
        self._log = LogThrottle(_logger)
        self._lock = threading.Lock()
        #: Records' lines by the ids of their entries.
        self._pending: dict[bytes, bytes] = {}
        self._unacknowledged: list[bytes] = []
        self._claim_at = self._renew_at = 0.0
        self._has_cleaned_up = False
        self._ledger = ledger
        self._account = ledger.account(target)

    def append(self, line: bytes, mask: int) -> None:
        raise OSError("a relay only delivers the entries of its stream")

    def sources(self) -> Sequence[StreamBuffer]:
        return (self,)

    def read(self, chest: str, limit: int) -> Page | None:
        with self._lock:
            self._acknowledge()
            self._fill(limit)
            entries = list(self._pending)[:limit]
            return Page([self._pending[each] for each in entries], entries) if entries else None

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        with self._lock:
            self._account.delivered += delivered
            self._account.rejected += rejected
            for entry in page.end:
                self._pending.pop(entry, None)
            self._unacknowledged += page.end
            # If this fails, the next read tries again, and raises.
            with suppress(OSError):
                self._acknowledge()

    def maintain(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._pending and now >= self._renew_at:
                self._renew_at = now + self._claim_after / 4
                with suppress(OSError):
                    self._group.renew(list(self._pending))

    def count_lost(self, mask: int, reason: str) -> None:
        self._lose(1, reason)

    def ledger(self) -> Ledger:
        """Return the ledger of this process; ``pending`` counts entries that it has read."""
        self._account.pending = len(self._pending)
        return self._ledger

    def oldest_pending(self, chest: str) -> int | None:
        return None

    def close(self) -> None:
        with self._lock:
            with suppress(OSError):
                self._acknowledge()
                if self._pending:
                    self._group.release(list(self._pending))
                else:
                    self._group.delete_consumer()
            self._group.close()

    def after_fork_in_child(self) -> None:
        """Do nothing: a relay never forks."""

    def _acknowledge(self) -> None:
        if self._unacknowledged:
            self._group.acknowledge(self._unacknowledged)
            self._unacknowledged.clear()

    def _fill(self, limit: int) -> None:
        while (missing := limit - len(self._pending)) > 0:
            claimed = self._claim_or_read(missing)
            if claimed.lost:
                self._lose(claimed.lost, "trimmed")
            if not claimed.entries:
                return
            self._add_entries(claimed.entries)

    def _claim_or_read(self, count: int) -> ClaimedEntries:
        now = time.monotonic()
        if now >= self._claim_at:
            claimed = self._group.claim(count, int(self._claim_after * 1000))
            if claimed.entries or claimed.lost:
                return claimed
            self._claim_at = now + self._claim_after / 2
            self._clean_up()
        return self._group.read(count)

    def _clean_up(self) -> None:
        if not self._has_cleaned_up:
            self._group.delete_idle_consumers(_DELETE_CONSUMERS_AFTER)
            self._has_cleaned_up = True

    def _add_entries(self, entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        foreign = []
        for entry, fields in entries:
            try:
                self._pending[entry] = _record_line(fields)
            except QueryError as error:
                foreign.append((entry, fields, str(error)))
        # Last, because storing a dead letter may fail: then the entry stays unacknowledged in
        # Redis, and is claimed again later.
        for entry, fields, reason in foreign:
            self._reject_foreign(entry, fields, reason)

    def _reject_foreign(self, entry: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        chest = self._group.chest
        description = f"entry {entry.decode()} is not a record: {reason}"
        # Apart from the chest's own dead letters, which flask chest replay sends to the chest.
        name = f"{chest.name} strangers"
        self._add_dead_letters(name, [_dead_letter(entry, fields)], description)
        self._ledger.account(name).rejected += 1
        self._unacknowledged.append(entry)
        self._log.warning(
            "foreign entry",
            "%s; the relay skips it and stores it among the dead letters of %r; keep other writers "
            "away from this stream, or name another one: ?stream=",
            chest.error_message(description),
            name,
        )

    def _lose(self, count: int, reason: str) -> None:
        self._account.lost[reason] += count
        self._on_lost(self._target, reason, count)


def _record_line(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the record's line in the form that chests take.

    :raises QueryError: the entry is not a record.
    """
    line = fields.get(FIELD)
    if line is None:
        raise QueryError(f"it has no field {FIELD.decode()!r}")
    # Encoded again: another writer may leave out fields, or write them in another order.
    return encode(from_line(line))


def _dead_letter(entry: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    texts = {name.decode(errors="replace"): _decode(value) for name, value in fields.items()}
    return orjson.dumps({"entry": entry.decode(), "fields": texts})


def _decode(value: bytes) -> str:
    return value.decode(errors="replace")
