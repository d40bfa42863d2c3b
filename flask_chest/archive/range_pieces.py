"""Splits the range of a question, so that only some parts are read at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..query.query import Query
from ..record.json_line import from_microseconds, to_microseconds
from .archive import Snapshot
from .archive_query import Question

# Microseconds, and the number of records that are in memory at once.
_PIECE, _PIECE_RECORDS = 60_000_000, 10_000


def newest_first(query: Query, snapshot: Snapshot) -> Iterator[Query]:
    """Split a range into growing pieces, the newest first, each of which has some parts."""
    since, until = to_microseconds(query.since), to_microseconds(query.until)
    starts = sorted({part.first_time for part in snapshot.between(since, until)}, reverse=True)
    end, size = query.until, 1
    while starts[size - 1 :]:
        begin = max(query.since, from_microseconds(starts[size - 1]))
        if begin < end:
            yield replace(query, since=begin, until=end, origin=None)
            end = begin
        starts, size = starts[size:], size * 4
    if query.since < end:
        yield replace(query, until=end, origin=None)


def pieces_of_records(query: Query, question: Question) -> list[Query]:
    """Split a range into pieces of some thousand matching records, the oldest first.

    :param question: the same query, asked of the parts.
    """
    if question.is_empty:
        return []
    columns = f"epoch_us(time) // {_PIECE} AS piece, count(*)"
    found = question.rows(question.records(columns, "GROUP BY piece ORDER BY piece"))
    pieces: list[Query] = []
    count, begin = 0, query.since
    for minute, number in found:
        if count and count + number > _PIECE_RECORDS:
            end = from_microseconds(minute * _PIECE)
            pieces.append(replace(query, since=begin, until=end, origin=None))
            count, begin = 0, end
        count += number
    return [*pieces, replace(query, since=begin, origin=None)] if found else []
