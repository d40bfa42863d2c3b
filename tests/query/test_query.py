"""Time ranges of queries."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from flask_chest.errors import QueryError
from flask_chest.query.query import Query, parse_time

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NOW),
        ("now", NOW),
        ("2 hours", NOW - timedelta(hours=2)),
        ("30 days ago", NOW - timedelta(days=30)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2026-11-20T14:30+01:00", datetime(2026, 11, 20, 13, 30, tzinfo=timezone.utc)),
        ("2026-11-20T14:30 01:00", datetime(2026, 11, 20, 13, 30, tzinfo=timezone.utc)),
        ("2026-11-20 14:30:15 05:45", datetime(2026, 11, 20, 8, 45, 15, tzinfo=timezone.utc)),
        ("2026-11-20 14:30:15-03:30", datetime(2026, 11, 20, 18, 0, 15, tzinfo=timezone.utc)),
        ("2026-11-20 04:30", datetime(2026, 11, 20, 4, 30, tzinfo=timezone.utc)),
        ("2026-11-20 14:30", datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)),
        ("2026-11-20T14:30:00Z", datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    """A duration counts back from now; a time without a zone is UTC. A URL's "+" may be a space."""
    assert parse_time(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-13-01", "-1 days", "1e999 days", "0001-01-01T00:00+23:59"]
)
def test_invalid_times(text: str) -> None:
    """The error has examples of valid times."""
    with pytest.raises(QueryError, match="2 hours"):
        parse_time(text, NOW)


def test_empty_range() -> None:
    """A range that does not end after its start is an error that names both."""
    with pytest.raises(QueryError, match="2026-11-21 12:00:00 UTC"):
        Query(since=NOW, until=NOW)
