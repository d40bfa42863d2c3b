"""A batch of encoded records, as chests receive it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from .json_line import decode, encode
from .record import Record


class Batch(Sequence[Record]):
    """A sequence of records that decodes each encoded line only when it is accessed.

    :param lines: encoded records, one JSON object each.

    .. versionadded:: 1.0
    """

    __slots__ = ("lines",)

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Batch: ...

    def __getitem__(self, index: int | slice) -> Record | Batch:
        if isinstance(index, slice):
            return Batch(self.lines[index])
        return decode(self.lines[index])

    def __iter__(self) -> Iterator[Record]:
        return map(decode, self.lines)


def encoded_lines(records: Sequence[Record]) -> Sequence[bytes]:
    """Return the encoded lines of records; those of a batch are not decoded and encoded again.

    :param records: a batch, as :meth:`flask_chest.Chest.write` receives it, or any records.
    :raises TypeError: a record that was not made by a request has a value that is not plain.

    .. versionadded:: 1.0
    """
    if isinstance(records, Batch):
        return records.lines
    return [encode(record) for record in records]


def json_array(records: Sequence[Record]) -> bytes:
    """Return a batch as one JSON array, which many databases accept as one parameter.

    :param records: as for :func:`encoded_lines`.
    :raises TypeError: as for :func:`encoded_lines`.

    .. versionadded:: 1.0
    """
    return b"[" + b",".join(encoded_lines(records)) + b"]"
