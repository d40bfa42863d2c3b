"""URL parameters: each page keeps its whole state in its URL, so that a view can be shared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from ..errors import QueryError
from ..query.fields import Field
from ..query.filter_parsing import MAX_FILTERS, Filter, parse_filters
from ..query.query import DURATION, Query, parse_time
from ..query.time_intervals import DAY, HOUR, floor_to, from_timestamp

#: The time ranges that every page offers as links.
RANGES = (
    ("15 minutes", "15 min"),
    ("1 hour", "1 h"),
    ("6 hours", "6 h"),
    ("1 day", "24 h"),
    ("7 days", "7 d"),
    ("30 days", "30 d"),
    ("1 year", "1 y"),
)

#: The maximum number of intervals in a chart; a screen cannot show more.
MAX_INTERVALS = 100
_WEEK = 7 * DAY
_INTERVALS = (1, 5, 10, 30, 60, 300, 600, 1800, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, _WEEK)

# A page's own links stay below these limits.
_MAX_ARGUMENTS, _MAX_ARGUMENT_LENGTH = MAX_FILTERS + 50, 2000
# The last second of the year 9999, the latest time that Python can represent.
_MAX_TIMESTAMP = 253_402_300_799


def interval_length(seconds: float) -> int:
    """Return the length of a chart's intervals, in seconds.

    :param seconds: the length of the whole range.
    """
    for length in _INTERVALS:
        if seconds / length <= MAX_INTERVALS:
            return length
    return math.ceil(seconds / MAX_INTERVALS / _WEEK) * _WEEK


@dataclass(frozen=True, slots=True)
class Params:
    """The URL parameters that every page has.

    :param since: the start of the range, as in the URL.
    :param until: the end of the range, as in the URL; empty for the current time.
    :param where: the filters, as in the URL.
    :param now: the time of the request.
    """

    since: str
    until: str
    where: tuple[str, ...]
    now: datetime

    @classmethod
    def from_args(cls, arguments: MultiDict[str, str]) -> Params:
        """Read the parameters from ``request.args``; too long ones are left out."""
        if not are_acceptable(arguments):
            arguments = MultiDict()
        where = tuple(text for text in arguments.getlist("where") if text.strip())
        return cls(
            arguments.get("since", "").strip() or "1 day",
            arguments.get("until", "").strip(),
            where,
            datetime.now(timezone.utc),
        )

    @property
    def is_live(self) -> bool:
        """Whether the range ends now, so that the page updates itself."""
        return self.until in {"", "now"}

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The parsed filters.

        :raises flask_chest.errors.QueryError: a filter is invalid.
        """
        return parse_filters(self.where)

    def query(self, by: Field | None = None, measure: Field = DURATION) -> Query:
        """Return the page's query, with intervals that start at full minutes, hours or days.

        The first and the last interval may lie in the range only partly.

        :raises flask_chest.errors.QueryError: the range or a filter is invalid.
        """
        until = parse_time(self.until, self.now)
        since = parse_time(self.since, self.now)
        query = Query(since=since, until=until, where=self.filters, by=by, measure=measure)
        step = interval_length(query.seconds)
        return replace(query, origin=from_timestamp(floor_to(since.timestamp(), step)))

    def arguments(self, **changes: str | Iterable[str] | None) -> str:
        """Return these parameters as a query string, with changes; ``None`` removes one."""
        values: dict[str, Any] = {"since": self.since, "until": self.until, "where": self.where}
        values.update(changes)
        return query_string(values)

    def with_filter(self, text: str) -> tuple[str, ...]:
        """Return the filters and one more."""
        return self.where if text in self.where else (*self.where, text)

    def without_filter(self, text: str) -> tuple[str, ...]:
        """Return the filters without one of them."""
        return tuple(each for each in self.where if each != text)


def check_arguments(arguments: MultiDict[str, str]) -> None:
    """Check the number and the length of all URL parameters.

    :raises flask_chest.errors.QueryError: there are too many, or one is too long.
    """
    if not are_acceptable(arguments):
        raise QueryError(
            f"the URL has more than {_MAX_ARGUMENTS} parameters, or one of more than "
            f"{_MAX_ARGUMENT_LENGTH:,} characters; use fewer or shorter filters"
        )


def are_acceptable(arguments: MultiDict[str, str]) -> bool:
    """Return whether the number and the length of URL parameters are within the limits."""
    pairs = list(arguments.items(multi=True))
    longest = max((len(text) for pair in pairs for text in pair), default=0)
    return len(pairs) <= _MAX_ARGUMENTS and longest <= _MAX_ARGUMENT_LENGTH


def query_string(values: Mapping[str, Any]) -> str:
    """Encode arguments for a URL, without those that are empty."""
    kept = {name: value for name, value in values.items() if value not in (None, "", ())}
    return urlencode(kept, doseq=True)


def chest_argument(arguments: Any) -> dict[str, str]:
    """Return the URL argument that names a chest; an empty dict if there is none."""
    name = arguments.get("chest")
    return {"chest": name} if name else {}


def format_time(seconds: float) -> str:
    """Format a time for a URL.

    :param seconds: since 1970; a time after the year 9999 becomes its last second.
    """
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        seconds=min(seconds, _MAX_TIMESTAMP)
    )
    # With fractions: a rounded time would leave out the records of a part of a second.
    return f"{moment.replace(tzinfo=None).isoformat()}Z"
