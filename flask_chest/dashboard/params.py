"""What a page shows stands in its URL, so that a view can be shared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from ..query.fields import Field
from ..query.filters import Filter, parse_filters
from ..query.query import DURATION, Query, parse_time

_WEEK = 604_800


_STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, _WEEK)


#: Intervals of a range, at most: more than that no screen shows, however long the range is.
POINTS = 100


def step_of(seconds: float) -> int:
    """The length of an interval, for a range of this length.

    :returns: seconds; of a range that no usual length fits, a number of weeks.
    """
    for step in _STEPS:
        if seconds / step <= POINTS:
            return step
    return math.ceil(seconds / POINTS / _WEEK) * _WEEK


#: The ranges that a click offers.
RANGES = (
    ("15 minutes", "15 min"),
    ("1 hour", "1 h"),
    ("6 hours", "6 h"),
    ("1 day", "24 h"),
    ("7 days", "7 d"),
    ("30 days", "30 d"),
    ("1 year", "1 y"),
)


_MOST_FILTERS = 20


# The last second of the year 9999.
_LAST = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Params:
    """The part of the URL that every page has.

    :param since: as it stands there.
    :param until: likewise; empty for now.
    :param where: filters, likewise.
    :param now: when the page was asked for.
    """

    since: str
    until: str
    where: tuple[str, ...]
    now: datetime

    @classmethod
    def of(cls, arguments: Any) -> Params:
        """From the arguments of a request."""
        where = tuple(text for text in arguments.getlist("where") if text.strip())
        return cls(
            arguments.get("since", "").strip() or "1 day",
            arguments.get("until", "").strip(),
            where[:_MOST_FILTERS],
            datetime.now(timezone.utc),
        )

    @property
    def is_live(self) -> bool:
        """Whether new records belong to it."""
        return self.until in {"", "now"}

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filters.

        :raises flask_chest.errors.QueryError: one is none.
        """
        return parse_filters(self.where)

    def query(self, by: Field | None = None, measure: Field = DURATION) -> Query:
        """The question of the page; it begins where an interval of its charts does.

        :raises flask_chest.errors.QueryError: range or filters make no sense.
        """
        until = parse_time(self.until, self.now)
        since = parse_time(self.since, self.now)
        query = Query(since=since, until=until, where=self.filters, by=by, measure=measure)
        step = step_of(query.seconds)
        begin = datetime.fromtimestamp(since.timestamp() // step * step, timezone.utc)
        return replace(query, since=begin)

    def arguments(self, **changes: str | Iterable[str] | None) -> str:
        """The query string of these, with changes; ``None`` leaves one out."""
        values: dict[str, Any] = {"since": self.since, "until": self.until, "where": self.where}
        values.update(changes)
        return query_string(values)

    def with_filter(self, text: str) -> tuple[str, ...]:
        """The filters and one more."""
        return self.where if text in self.where else (*self.where, text)

    def without_filter(self, text: str) -> tuple[str, ...]:
        """The filters without one."""
        return tuple(each for each in self.where if each != text)


def query_string(values: Mapping[str, Any]) -> str:
    """Arguments as they stand in a URL; what is empty is left out."""
    kept = {name: value for name, value in values.items() if value not in (None, "", ())}
    return urlencode(kept, doseq=True)


def chosen_chest(arguments: Any) -> dict[str, str]:
    """The argument that names a store, where there is one."""
    name = arguments.get("chest")
    return {"chest": name} if name else {}


def spell_moment(seconds: float) -> str:
    """A time as it stands in a URL."""
    # An interval may end after the last day that there is.
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=min(seconds, _LAST))
    # Of a second cut short, the records in the rest of it would be on no page.
    return f"{moment.replace(tzinfo=None).isoformat()}Z"
