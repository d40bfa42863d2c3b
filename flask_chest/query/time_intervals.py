"""Intervals of time: hours, days and the steps of charts, aligned to 1970-01-01 UTC."""

from __future__ import annotations

import math
from datetime import datetime, timezone

#: Seconds.
HOUR, DAY = 3600, 86_400


def floor_to(seconds: float, step: float) -> int:
    """The start of the interval that contains a time.

    :param seconds: seconds since 1970.
    :param step: length of an interval in seconds.
    """
    return int(seconds // step * step)


def ceil_to(seconds: float, step: int) -> int:
    """The first start of an interval at or after a time.

    :param seconds: seconds since 1970.
    :param step: length of an interval in seconds.
    """
    return -int(-seconds // step) * step


def floor_to_hour(moment: datetime) -> datetime:
    """The start of the hour that contains a time."""
    return from_timestamp(floor_to(moment.timestamp(), HOUR))


def interval_starts(since: datetime, until: datetime, step: float) -> list[float]:
    """The starts of the intervals that cover a range; the first one starts with the range.

    :param step: length of an interval in seconds.
    :returns: seconds since 1970; at least one start.
    """
    count = max(1, math.ceil((until - since).total_seconds() / step))
    begin = since.timestamp()
    return [begin + step * number for number in range(count)]


def from_timestamp(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def to_utc(moment: datetime) -> datetime:
    """A time in UTC; a time without a zone is taken as UTC already.

    Most database drivers return naive UTC times. PostgreSQL returns times in the zone of its user.
    """
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
