"""A range of time that holds too many records is looked at in slices, spread evenly over it.

Every place of the range is as likely to be looked at, so what is counted is the whole's, divided by
the share; an answer that rests on slices says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Records that one question looks at, about.
MOST = 25_000
_NUMBER = 128
_LEAST_SHARE = 1e-7
# The golden ratio's fraction: steps of it meet no rhythm of traffic.
_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class Slices:
    """Where to look.

    :param ranges: from, to before; UTC.
    :param share: the share of the whole range that they make up.
    """

    ranges: tuple[tuple[datetime, datetime], ...]
    share: float


def choose_slices(
    since: datetime, until: datetime, count: Callable[[Slices, int], int], most: int = MOST
) -> Slices:
    """As much of a range as can be looked at.

    :param count: tells how many records slices hold, up to a limit.
    :param most: how many records may be looked at, about.
    """
    chosen = Slices(((since, until),), 1.0)
    while count(chosen, most + 1) > most and chosen.share > _LEAST_SHARE:
        chosen = _spread(since, until, chosen.share / 2)
    return chosen


def _spread(since: datetime, until: datetime, share: float) -> Slices:
    width = (until - since) / _NUMBER
    part = width * share
    ranges = []
    for number in range(_NUMBER):
        free = width - part
        begin = since + width * number + free * (number * _GOLDEN % 1.0)
        ranges.append((begin, max(begin + part, begin + timedelta(microseconds=1))))
    return Slices(tuple(ranges), share)
