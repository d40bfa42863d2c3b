"""Halves a rejected batch until the bad record is alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RejectedError
from ..record.batch import Batch


class Bisection:
    """Limits the size of the next batch while a bad record is searched.

    Each half that the chest accepts is committed at once, so that a crash does not lose what was
    found out. The limit doubles again with every batch that has been dealt with.

    :param batch_size: the largest limit, in records.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        #: Records that the next batch may have.
        self.limit = batch_size

    def find_rejected(self, lines: Sequence[bytes], error: RejectedError) -> Sequence[bytes] | None:
        """Return the rejected records; ``None`` if they are still unknown.

        In the latter case the limit is halved, and the same records have to be sent again.

        :param lines: the encoded records of the rejected batch.
        :param error: names the rejected records, if the store named them.
        """
        named = _named_lines(lines, error)
        if named or len(lines) <= 1:
            return named or lines
        self.limit = len(lines) // 2
        return None

    def grow(self) -> None:
        """Double the limit, up to the batch size."""
        self.limit = min(self._batch_size, self.limit * 2)


def _named_lines(lines: Sequence[bytes], error: RejectedError) -> list[bytes]:
    if error.record_ids is None:
        return []
    pairs = zip(lines, Batch(lines), strict=True)
    return [line for line, record in pairs if record.id in error.record_ids]
