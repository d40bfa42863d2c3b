"""Samples a time range that holds too many records: slices, spread evenly over the range.

Every moment of the range is equally likely to be in a slice, so counts divided by the sampled
fraction are unbiased estimates. Slices lie on the clock: each minute, or other interval, has its
own slice, whatever the range. So a range that moves with the time keeps the slices of the past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..record.json_line import EPOCH
from .query import Query
from .time_intervals import DAY, HOUR

#: Up to this number of records, a query reads all of them, however long that takes.
MAX_RECORDS = 20_000
#: Of more records than can be read in time, a query reads about this number.
SAMPLE_SIZE = 6_000
# At most this number of intervals with a slice each.
_MAX_SLICES = 256
# Seconds.
_WIDTHS = (
    *(0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, HOUR, 2 * HOUR, 6 * HOUR),
    *(12 * HOUR, DAY, 7 * DAY, 28 * DAY, 364 * DAY),
)
_MIN_FRACTION = 2.0**-23
_PROBE = 2.0**-10
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
    :param records: the number of records in the slices, as far as it was counted.
    """

    ranges: tuple[tuple[datetime, datetime], ...]
    fraction: float
    records: int | None = None


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
    number = count(chosen, max_records + 1)
    if number <= max_records:
        return replace(chosen, records=number)
    # Most of a range may lie before the first record.
    since, last = edges()
    until = min(until, last + _RESOLUTION)
    if until - since < _MIN_RANGE:
        return TimeSlices(((since, until),), 1.0)  # slices would be too short
    # A small probe estimates the density of records.
    seen = count(_spread(since, until, _PROBE), sample_size + 1)
    fraction = _PROBE
    while fraction < 0.5 and seen <= sample_size * 0.4:
        fraction, seen = fraction * 2, seen * 2
    chosen = _spread(since, until, fraction)
    while (number := count(chosen, sample_size + 1)) > sample_size and fraction > _MIN_FRACTION:
        fraction /= 2
        chosen = _spread(since, until, fraction)
    return replace(chosen, records=number)


def _spread(since: datetime, until: datetime, fraction: float) -> TimeSlices:
    seconds = (until - since).total_seconds()
    width = next((each for each in _WIDTHS if seconds / each <= _MAX_SLICES), _WIDTHS[-1])
    whole, part = timedelta(seconds=width), timedelta(seconds=width * fraction)
    ranges = []
    for number in range((since - EPOCH) // whole, (until - EPOCH) // whole + 1):
        begin = EPOCH + whole * number + (whole - part) * (number * _GOLDEN % 1.0)
        end = min(begin + max(part, _RESOLUTION), until)
        if begin >= since and begin < end:
            ranges.append((begin, end))
    # A slice that begins before the range is left out; there is always another one.
    return TimeSlices(tuple(ranges) or ((since, until),), fraction if ranges else 1.0)


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
