"""Groups of errors: first and last sight, users, releases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from flask_chest import Record
from flask_chest.query.error_groups import group_errors

END = datetime(2026, 12, 1, tzinfo=timezone.utc)


def record(age: int, error: str | None = "KeyError", version: str = "1", **fields: Any) -> Record:
    """A record with an error, some minutes old."""
    return Record(
        id=f"{10_000 - age:032x}",
        time=END - timedelta(minutes=age),
        error=error,
        tags={"version": version} if version else {},
        **{"route": "/pay", **fields},
    )


def test_the_same_fingerprint_is_one_group() -> None:
    """In all routes and releases; a user who met it twice counts once."""
    [group] = group_errors(
        [
            record(1, vars={"error.fingerprint": "ab", "user_id": 7, "exception.message": "last"}),
            record(2, vars={"error.fingerprint": "ab", "user_id": "7"}, route="/buy"),
            record(9, vars={"error.fingerprint": "ab", "user_id": 8}, sample_rate=0.5),
            record(5, vars={"error.fingerprint": "ab"}),
        ]
    )
    assert (group.key, group.error, group.message) == ("ab", "KeyError", "last")
    assert (group.count, group.users, group.handled) == (5, {"7", "8"}, False)
    assert group.first == END - timedelta(minutes=9)
    assert group.last == END - timedelta(minutes=1)


def test_without_a_fingerprint() -> None:
    """Class and route make the group."""
    groups = group_errors(
        [record(1), record(2), record(3, route="/buy"), record(4, error="OSError")]
    )
    assert [group.count for group in groups] == [2, 1, 1]
    assert all(len(group.key) == 16 for group in groups)


def test_errors_of_the_latest_release_are_new() -> None:
    """A group that an older release has is not; with one release, nothing is new."""
    old = record(9, vars={"error.fingerprint": "old"}, version="1")
    again = record(2, vars={"error.fingerprint": "old"}, version="2")
    new = record(1, vars={"error.fingerprint": "new"}, version="2")
    assert {group.key: group.is_new for group in group_errors([new, again, old])} == {
        "new": True,
        "old": False,
    }
    assert not any(group.is_new for group in group_errors([new, again]))


def test_handled_errors() -> None:
    """A noted error has its class in a variable; a group is handled if all its errors are."""
    noted = {"exception.type": "OSError", "error.fingerprint": "a"}
    [group] = group_errors([record(1, None, vars=noted)])
    assert (group.error, group.handled) == ("OSError", True)
    [group] = group_errors([record(1, None, vars=noted), record(2, "OSError", vars=noted)])
    assert group.handled is False


def test_odd_values() -> None:
    """Variables of the app with these names, of any type, break nothing."""
    variables: dict[str, Any] = {
        "error.fingerprint": ["x"],
        "exception.message": 7,
        "exception.stacktrace": None,
        "user_id": {"a": 1},
    }
    [group] = group_errors([record(1, vars=variables, version="", sample_rate=0)])
    assert (group.message, group.stacktrace, group.count) == (None, None, 1)
    assert group_errors([]) == []
