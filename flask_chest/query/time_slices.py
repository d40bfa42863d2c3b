"""A range of time that holds too many records is looked at in slices, spread evenly over it.

Every place of the range is as likely to be looked at, so what is counted is the whole's, divided by
the share; an answer that rests on slices says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .query import Query

#: Records that one question looks at; of more it looks at some only.
MAX_RECORDS = 20_000
#: Of those it looks at so many at most.
SAMPLE_SIZE = 6_000
_NUMBER = 128
_LEAST_SHARE = 1e-7
_PROBE = 1 / 1024
_SHORTEST = timedelta(seconds=1)
# The golden ratio's fraction: steps of it meet no rhythm of traffic.
_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class TimeSlices:
    """Where to look.

    :param ranges: from, to before; UTC.
    :param share: the share of the whole range that they make up.
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
    """As much of a range as can be looked at.

    :param count: tells how many records slices hold, up to a limit.
    :param edges: tells when the first and the last record of the range were made.
    :param most: of how many records all are looked at.
    :param sample: of more than that, how many at most.
    """
    chosen = TimeSlices(((since, until),), 1.0)
    if count(chosen, max_records + 1) <= max_records:
        return chosen
    # A range may be far longer than the time in which there were records.
    since, last = edges()
    until = min(until, last + timedelta(microseconds=1))
    if until - since < _SHORTEST:
        return TimeSlices(((since, until),), 1.0)  # slices of it would be next to nothing
    # A look at little of it tells how dense it is, about.
    seen = count(_spread(since, until, _PROBE), sample_size + 1)
    fraction = (
        min(0.5, _PROBE * sample_size * 0.8 / max(seen, 1)) if seen <= sample_size else _PROBE / 2
    )
    chosen = _spread(since, until, fraction)
    while count(chosen, sample_size + 1) > sample_size and fraction > _LEAST_SHARE:
        fraction /= 2
        chosen = _spread(since, until, fraction)
    return chosen


def _spread(since: datetime, until: datetime, fraction: float) -> TimeSlices:
    width = (until - since) / _NUMBER
    part = width * fraction
    ranges = []
    for number in range(_NUMBER):
        free = width - part
        begin = since + width * number + free * (number * _GOLDEN % 1.0)
        ranges.append((begin, max(begin + part, begin + timedelta(microseconds=1))))
    return TimeSlices(tuple(ranges), fraction)


class SliceCache:
    """Slices that were chosen lately: the questions of one page are about one range."""

    def __init__(self) -> None:
        self._known: dict[tuple[datetime, datetime], TimeSlices] = {}

    def get(self, query: Query, choose: Callable[[], TimeSlices]) -> TimeSlices:
        """Those of a question's range.

        :param choose: chooses them where they are not known.
        """
        key = query.since, query.until
        known = self._known.get(key)
        if known is None:
            known = choose()
            if len(self._known) > 16:
                self._known = {}  # other threads may be reading the old one
            if known.fraction < 1:  # all of few records are looked at however many come in
                self._known[key] = known
        return known


def floor_to_hour(moment: datetime) -> datetime:
    """The hour in which a moment lies: no hour is ever summed up when half of it is gone."""
    seconds = int(moment.timestamp()) // 3600 * 3600
    return datetime.fromtimestamp(seconds, timezone.utc)
