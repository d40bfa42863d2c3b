"""Samples a time range that holds too many records: slices, spread evenly over the range.

Every moment of the range is equally likely to be in a slice, so counts divided by the sampled
fraction are unbiased estimates. Answers report the fraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .query import Query

#: Up to this number of records, a query reads all of them.
MAX_RECORDS = 20_000
#: Of more records, a query reads about this number.
SAMPLE_SIZE = 6_000
_SLICES = 128
_MIN_FRACTION = 1e-7
_PROBE = 1 / 1024
_MIN_RANGE = timedelta(seconds=1)
_RESOLUTION = timedelta(microseconds=1)
# Multiples of the golden ratio do not coincide with periodic traffic.
_GOLDEN = 0.6180339887
_MAX_CACHED = 16


@dataclass(frozen=True, slots=True)
class TimeSlices:
    """The parts of a range that a query reads.

    :param ranges: start and exclusive end of each slice, UTC.
    :param fraction: the fraction of the whole range that the slices cover.
    """

    ranges: tuple[tuple[datetime, datetime], ...]
    fraction: float


def choose_slices(
    since: datetime,
    until: datetime,
    count: Callable[[TimeSlices, int], int],
    edges: Callable[[], tuple[datetime, datetime]],
    max_records: int = MAX_RECORDS,
    sample_size: int = SAMPLE_SIZE,
) -> TimeSlices:
    """Choose the whole range, or slices of it if it holds too many records.

    :param count: returns the number of records in slices, up to a limit.
    :param edges: returns the times of the first and the last record of the range.
    :param max_records: the whole range is chosen up to this number of records.
    :param sample_size: maximum number of records in slices.
    """
    chosen = TimeSlices(((since, until),), 1.0)
    if count(chosen, max_records + 1) <= max_records:
        return chosen
    # Most of a range may lie before the first record.
    since, last = edges()
    until = min(until, last + _RESOLUTION)
    if until - since < _MIN_RANGE:
        return TimeSlices(((since, until),), 1.0)  # slices would be too short
    # A small probe estimates the density of records.
    seen = count(_spread(since, until, _PROBE), sample_size + 1)
    fraction = _PROBE / 2
    if seen <= sample_size:
        fraction = min(0.5, _PROBE * sample_size * 0.8 / max(seen, 1))
    chosen = _spread(since, until, fraction)
    while count(chosen, sample_size + 1) > sample_size and fraction > _MIN_FRACTION:
        fraction /= 2
        chosen = _spread(since, until, fraction)
    return chosen


def _spread(since: datetime, until: datetime, fraction: float) -> TimeSlices:
    width = (until - since) / _SLICES
    part = width * fraction
    ranges = []
    for number in range(_SLICES):
        free = width - part
        begin = since + width * number + free * (number * _GOLDEN % 1.0)
        ranges.append((begin, max(begin + part, begin + _RESOLUTION)))
    return TimeSlices(tuple(ranges), fraction)


class SliceCache:
    """Remembers chosen slices: all queries of one page have the same range."""

    def __init__(self) -> None:
        self._slices: dict[tuple[datetime, datetime], TimeSlices] = {}

    def get(self, query: Query, choose: Callable[[], TimeSlices]) -> TimeSlices:
        """The slices of a query's range.

        :param choose: chooses the slices if they are not cached.
        """
        key = query.since, query.until
        cached = self._slices.get(key)
        if cached is not None:
            return cached
        chosen = choose()
        if len(self._slices) > _MAX_CACHED:
            self._slices = {}  # not clear(): other threads may be reading the old one
        # A whole range is counted again each time, since it may have grown beyond the maximum.
        if chosen.fraction < 1:
            self._slices[key] = chosen
        return chosen
