"""One question: which records, in which range of time, grouped by what, and what is measured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from ..config import validators as checks
from ..errors import QueryError
from ..record.encoding import EPOCH
from .fields import Field
from .filters import Filter

#: What is measured unless something else is asked for.
DURATION = Field("", "duration_ms")
REQUEST_ID = Field("", "request_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which records are meant.

    :param since: the first moment, UTC.
    :param until: the moment after the last, UTC.
    :param where: conditions, all of which hold.
    :param by: what they are grouped by; ``None`` for all together.
    :param measure: the number that sums, means and percentiles are made of.
    :raises QueryError: the range is empty.
    """

    since: datetime
    until: datetime
    where: tuple[Filter, ...] = field(default=())
    by: Field | None = None
    measure: Field = DURATION

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise QueryError(
                f"the range is empty: it begins at {_told(self.since)} and ends at "
                f"{_told(self.until)}; let 'since' lie before 'until'"
            )

    @property
    def seconds(self) -> float:
        """The length of the range."""
        return (self.until - self.since).total_seconds()

    @property
    def is_for_one_request(self) -> bool:
        """Whether it names a request, which an index finds, however long the range is."""
        return any(each.operator == "=" and each.field == REQUEST_ID for each in self.where)

    def grouped(self, by: Field | None) -> Query:
        """The same, grouped by something else."""
        return replace(self, by=by)

    def filtered(self, *more: Filter) -> Query:
        """The same, with further conditions."""
        return replace(self, where=(*self.where, *more))


def parse_time(text: str, now: datetime) -> datetime:
    """A moment: ``now``, a duration before it such as ``2 hours``, or a time of ISO 8601.

    :param now: what durations are reckoned back from.
    :returns: in UTC, not before 1970. A time that names no zone is taken as UTC.
    :raises QueryError: it is none of these.
    """
    words = text.strip()
    if words in {"", "now"}:
        return now
    try:
        return max(
            EPOCH, now - timedelta(seconds=checks.seconds(words.removesuffix("ago").strip()))
        )
    except ValueError:
        pass
    try:
        # Python 3.10 knows no "Z"; in a URL "+" is a space.
        moment = datetime.fromisoformat(words.replace("Z", "+00:00").replace(" 0", "T0", 1))
        moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise QueryError(
            f"{text[:40]!r} is no time; write e.g. '2 hours', '2026-11-20' or "
            "'2026-11-20T14:30+01:00'"
        ) from None
    return max(EPOCH, moment)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
