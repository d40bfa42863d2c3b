"""Finds a record that makes its store fail, though the store accepts other records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import DeliveryError
from ..record.batch import Batch

# Failures in a row of batches that begin with the same record. With backoff these take minutes.
_MIN_FAILURES = 12
# Failures after which the batches get smaller.
_HALVE_AFTER = 3
# Records behind the suspect that are tried on their own, and seconds for all of them.
_MAX_PROBES = 8
_PROBE_SECONDS = 5.0
# Attempts to send the suspect after the store has accepted another record.
_RETRIES = 3

#: Sends a batch, or raises.
Write = Callable[[Batch], object]


class Poison(NamedTuple):
    """Records that fail, followed by one that the store has accepted.

    :param size: the number of records that have been dealt with.
    :param errors: the errors of those that fail, by position; the store has accepted the others.
    """

    size: int
    errors: dict[int, Exception]


class PoisonFinder:
    """Distinguishes a record that a store cannot take from a store that is down.

    A store that fails for a record without rejecting it would get that record again forever, and
    no later record would be delivered. So batches that keep failing are halved until the first
    record is alone. It is given up only if it goes on failing while the store accepts another
    record: an outage of the store loses no record.
    """

    #: Records that :meth:`find` needs, the suspect included.
    needed = 1 + _MAX_PROBES

    def __init__(self) -> None:
        self._suspect = b""
        self._failures = 0

    def note_failure(self, lines: Sequence[bytes], error: Exception) -> int:
        """Note a failed batch, and return the size that the next batch should have at most."""
        if isinstance(error, DeliveryError) and error.retry_after is not None:
            return len(lines)  # the store is busy, whatever the record is
        if not lines or lines[0] != self._suspect:
            self._suspect, self._failures = lines[0] if lines else b"", 0
        self._failures += 1
        return len(lines) // 2 if self._failures >= _HALVE_AFTER else len(lines)

    @property
    def has_suspect(self) -> bool:
        """Whether a record has failed so often that :meth:`find` should be called."""
        return self._failures >= _MIN_FAILURES

    def find(self, lines: Sequence[bytes], error: Exception, write: Write) -> Poison | None:
        """Send records one by one until the store accepts one; then send the failed ones again.

        :param lines: the suspect and the records behind it.
        :param error: the last error of the suspect.
        :param write: sends a batch.
        :returns: ``None`` if the store accepts no record: for all this can tell, it is down.
        """
        failed = {0: error}
        deadline = time.monotonic() + _PROBE_SECONDS
        for position in range(1, len(lines)):
            if time.monotonic() > deadline:
                return None
            probe_error = _attempt(lines[position], write)
            if probe_error is None:
                self._suspect, self._failures = b"", 0
                return Poison(position + 1, _retry(failed, lines, write))
            failed[position] = probe_error
        return None


def _retry(
    failed: dict[int, Exception], lines: Sequence[bytes], write: Write
) -> dict[int, Exception]:
    """Send failed records again, and return the errors of those that still fail."""
    remaining: dict[int, Exception] = {}
    for position in failed:
        for _ in range(_RETRIES):
            error = _attempt(lines[position], write)
            if error is None:
                remaining.pop(position, None)
                break
            remaining[position] = error
    return remaining


def _attempt(line: bytes, write: Write) -> Exception | None:
    try:
        write(Batch([line]))
    except Exception as error:  # noqa: BLE001 - a user's chest may raise anything
        return error
    return None
