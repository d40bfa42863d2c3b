"""A stream as delivery's buffer: what it reads from there goes the way of the journal's records."""

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
from ..delivery.buffer import LossListener, Page
from ..delivery.ledger import Ledger
from ..errors import QueryError
from ..query.ndjson import from_line
from ..record.encoding import encode

_logger = logging.getLogger("flask_chest.relay")

_FORGET_AFTER = 24 * 60 * 60 * 1000


class StreamBuffer:
    """What one reader of a group has taken from the stream and not yet delivered.

    An entry is acknowledged once it is delivered, or kept as a dead letter. Until then it stays in
    Redis, and goes to another reader when this one is not heard of for a while.

    :param group: the reader.
    :param target: the name of the chest that the records go to.
    :param bury: keeps what will never be accepted.
    :param on_lost: told of entries that the cap has cut off.
    :param claim_after: seconds after which a reader that is not heard of counts as dead.
    :param ledger: where it is noted what became of the entries.
    """

    #: Nothing is handed over in this process.
    appended = 0

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
        self._held: dict[bytes, bytes] = {}
        self._done: list[bytes] = []
        self._claim_at = self._hold_at = 0.0
        self._tidied = False
        self._ledger = ledger
        self._account = ledger.account(target)

    def append(self, line: bytes, mask: int) -> None:
        raise OSError("a relay takes what is in its stream, and nothing else")

    def sources(self) -> Sequence[StreamBuffer]:
        return (self,)

    def read(self, chest: str, limit: int) -> Page | None:
        with self._lock:
            self._acknowledge()
            self._fill(limit)
            entries = list(self._held)[:limit]
            return Page([self._held[each] for each in entries], entries) if entries else None

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        with self._lock:
            self._account.delivered += delivered
            self._account.rejected += rejected
            for entry in page.end:
                self._held.pop(entry, None)
            self._done += page.end
            # Where it fails, the next read tries again, and tells.
            with suppress(OSError):
                self._acknowledge()

    def maintain(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._held and now >= self._hold_at:
                self._hold_at = now + self._claim_after / 4
                with suppress(OSError):
                    self._group.renew(list(self._held))

    def count_lost(self, mask: int, reason: str) -> None:
        self._lose(1, reason)

    def ledger(self) -> Ledger:
        """What this process did; ``pending`` is what it has taken and not delivered."""
        self._account.pending = len(self._held)
        return self._ledger

    def oldest_pending(self, chest: str) -> int | None:
        return None

    def close(self) -> None:
        with self._lock:
            with suppress(OSError):
                self._acknowledge()
                if self._held:
                    self._group.release(list(self._held))
                else:
                    self._group.delete_consumer()
            self._group.close()

    def after_fork_in_child(self) -> None:
        """A relay is not forked."""

    def _acknowledge(self) -> None:
        if self._done:
            self._group.acknowledge(self._done)
            self._done.clear()

    def _fill(self, limit: int) -> None:
        while (lacking := limit - len(self._held)) > 0:
            taken = self._next(lacking)
            if taken.lost:
                self._lose(taken.lost, "trimmed")
            if not taken.entries:
                return
            self._take_in(taken.entries)

    def _next(self, count: int) -> ClaimedEntries:
        now = time.monotonic()
        if now >= self._claim_at:
            claimed = self._group.claim(count, int(self._claim_after * 1000))
            if claimed.entries or claimed.lost:
                return claimed
            self._claim_at = now + self._claim_after / 2
            self._tidy()
        return self._group.read(count)

    def _tidy(self) -> None:
        if not self._tidied:
            self._group.delete_idle_consumers(_FORGET_AFTER)
            self._tidied = True

    def _take_in(self, entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        strange = []
        for entry, fields in entries:
            try:
                self._held[entry] = _line(fields)
            except QueryError as error:
                strange.append((entry, fields, str(error)))
        for entry, fields, reason in strange:
            self._refuse(entry, fields, reason)

    def _refuse(self, entry: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        chest = self._group.chest
        told = f"entry {entry.decode()} is no record: {reason}"
        # Apart from what the chest itself refuses, which can be sent to it again. What cannot be
        # kept now stays in Redis, and is claimed again later.
        kept = f"{chest.name} strangers"
        self._add_dead_letters(kept, [_letter(entry, fields)], told)
        self._ledger.account(kept).rejected += 1
        self._done.append(entry)
        self._log.warning(
            "strange",
            "%s; it is passed over, and kept among the dead letters as %r; let nobody else write "
            "to this stream, or name another one: ?stream=",
            chest.error_message(told),
            kept,
        )

    def _lose(self, count: int, reason: str) -> None:
        self._account.lost[reason] += count
        self._on_lost(self._target, reason, count)


def _line(fields: Mapping[bytes, bytes]) -> bytes:
    """The record's line as stores take it.

    :raises QueryError: there is none.
    """
    line = fields.get(FIELD)
    if line is None:
        raise QueryError(f"it has no field {FIELD.decode()!r}")
    record = from_line(line)
    # People write times in words; stores are given numbers.
    return encode(record) if b'"time":"' in line or b"\n" in line else line


def _letter(entry: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    texts = {name.decode(errors="replace"): _text(value) for name, value in fields.items()}
    return orjson.dumps({"entry": entry.decode(), "fields": texts})


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
