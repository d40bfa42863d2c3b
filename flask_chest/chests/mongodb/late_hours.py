"""Notes hours that get documents after they may have been archived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...record.record import Record
from ..batch_bodies import hours_before, oldest_time
from ..closed_hours import closed_until, is_late

#: The document that has the id of the store's archive.
STORE_ID = "store"


def state_name(records: str) -> str:
    """The name of the collection of the archive's state."""
    return f"{records}_archive"


def report_late_hours(database: Any, records: str, batch: Sequence[Record]) -> None:
    """Report the hours of a batch that may have been archived, if the store has an archive.

    :param records: the name of the collection of records.
    """
    if not is_late(oldest_time(batch)):
        return
    state = database[state_name(records)]
    if state.find_one({"_id": STORE_ID}, {"_id": 1}) is None:
        return
    report_hours(state, hours_before(batch, closed_until()))


def report_hours(state: Any, hours: Iterable[int]) -> None:
    """Report hours, given by their starts in seconds since 1970."""
    for hour in hours:
        report = {"$inc": {"reports": 1}, "$set": {"hour": hour}}
        state.update_one({"_id": f"late:{hour}"}, report, upsert=True)


def pending_hours(state: Any) -> dict[int, int]:
    """The hours that were reported, and the number of reports of each."""
    return {each["hour"]: each["reports"] for each in state.find({"hour": {"$exists": True}})}
