"""A query: time range, filters, grouping and the number to measure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..config import durations
from ..errors import QueryError
from ..record.json_line import EPOCH
from .fields import Field
from .filter_parsing import Filter
from .time_intervals import to_utc

#: The default measure.
DURATION = Field("", "duration_ms")
REQUEST_ID = Field("", "request_id")
# Columns that may have another value in each record.
_UNIQUE = frozenset(("id", "time", "request_id", "trace_id", "duration_ms", "bytes_sent"))

# A time, and an offset after a space.
_OFFSET = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:[0-9]{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query.

    :param since: start of the time range, UTC.
    :param until: end of the time range, exclusive, UTC.
    :param where: filters; a record must fulfil all of them.
    :param by: the field to group by; ``None`` for a single group.
    :param measure: the number that sums, means and percentiles are computed from.
    :param origin: start of the first interval of a series, at or before ``since``; default:
        ``since``. Records before ``since`` are left out in any case.
    :raises QueryError: the range is empty.
    """

    since: datetime
    until: datetime
    where: tuple[Filter, ...] = field(default=())
    by: Field | None = None
    measure: Field = DURATION
    origin: datetime | None = None

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise QueryError(
                f"the range is empty: it begins at {_format_utc(self.since)} and ends at "
                f"{_format_utc(self.until)}; 'since' must be before 'until'"
            )

    @property
    def seconds(self) -> float:
        """The length of the time range in seconds."""
        return (self.until - self.since).total_seconds()

    @property
    def first_interval(self) -> datetime:
        """The start of the first interval of a series."""
        return self.origin or self.since

    @property
    def is_for_one_request(self) -> bool:
        """Whether a filter names one request, which an index finds in a range of any length."""
        return any(
            each.operator == "=" and each.field == REQUEST_ID and each.literal.text
            for each in self.where
        )

    @property
    def may_have_many_groups(self) -> bool:
        """Whether there may be as many groups as records."""
        return self.by is not None and (bool(self.by.document) or self.by.name in _UNIQUE)

    def grouped(self, by: Field | None) -> Query:
        """The same query, grouped by another field."""
        return replace(self, by=by)

    def filtered(self, *more: Filter) -> Query:
        """The same query with more filters."""
        return replace(self, where=(*self.where, *more))


def parse_time(text: str, now: datetime) -> datetime:
    """Parse ``now``, a duration before now such as ``2 hours``, or an ISO 8601 time.

    :param now: the current time.
    :returns: the time in UTC, not before 1970. A time without a zone is taken as UTC.
    :raises QueryError: the text is none of these.
    """
    words = text.strip()
    if words in {"", "now"}:
        return now
    try:
        seconds = durations.seconds(words.removesuffix("ago").strip())
        return max(EPOCH, now - timedelta(seconds=seconds))
    except ValueError:
        pass
    try:
        # Python 3.10 does not parse "Z"; in a URL, "+" is decoded to a space.
        moment = datetime.fromisoformat(_OFFSET.sub(r"\1+\2", words.replace("Z", "+00:00")))
        moment = to_utc(moment)
    except (ValueError, OverflowError):
        raise QueryError(
            f"{text[:40]!r} is no time; write e.g. '2 hours', '2026-11-20' or "
            "'2026-11-20T14:30+01:00'"
        ) from None
    return max(EPOCH, moment)


def _format_utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
