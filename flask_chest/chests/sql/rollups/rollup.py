"""One rollup: the aggregates of one route in one hour or day, in memory and as a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....query.fields import Field
from ....query.percentiles import Digest
from ....query.query import DURATION
from ....query.summary import Summary


@dataclass(slots=True)
class Rollup:
    """The aggregates of one route in one hour or day.

    :param is_request: whether the records are requests; otherwise commands and jobs.
    :param route: the route of the records.
    :param summary: count, errors and durations.
    :param numbers: weight, sum, minimum and maximum of each numeric variable.
    """

    is_request: bool
    route: str | None
    summary: Summary
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def merge(self, other: Rollup) -> None:
        """Add the rollup of another hour or day."""
        self.summary.merge(other.summary)
        for name, values in other.numbers.items():
            own = self.numbers.get(name)
            if own is None:
                self.numbers[name] = list(values)
                continue
            self.numbers[name] = [
                own[0] + values[0],
                own[1] + values[1],
                min(own[2], values[2]),
                max(own[3], values[3]),
            ]


def to_row(step: int, start: int, rollup: Rollup) -> dict[str, Any]:
    """A rollup as a row of its table, without the id.

    :param step: seconds of an hour or a day.
    :param start: seconds since 1970.
    """
    summary = rollup.summary
    counts = summary.digest.counts
    return {
        "step": step,
        "start": start,
        "is_request": rollup.is_request,
        "route": rollup.route,
        "row_count": summary.rows,
        "weight": summary.count,
        "errors": summary.errors,
        "duration": {
            "total": summary.total,
            "measured": summary.measured,
            "low": summary.low,
            "high": summary.high,
            # There are many hours: two lists are parsed faster than an object, and rounded numbers
            # are short.
            "codes": list(counts),
            "counts": [round(n, 3) for n in counts.values()],
        },
        "numbers": rollup.numbers,
    }


def from_row(row: Mapping[str, Any]) -> Rollup:
    """The rollup of a row."""
    duration = row["duration"]
    summary = Summary(
        count=row["weight"],
        rows=row["row_count"],
        errors=row["errors"],
        total=duration["total"],
        measured=duration["measured"],
        low=duration["low"],
        high=duration["high"],
        digest=Digest(dict(zip(duration["codes"], duration["counts"], strict=True))),
    )
    return Rollup(bool(row["is_request"]), row["route"], summary, dict(row.get("numbers", {})))


def add_row(summary: Summary, row: Any, measure: Field) -> None:
    """Add a row to a summary, without percentiles if the measure is a variable.

    A year has thousands of rows with a hundred buckets each, so no ``Rollup`` is created.
    """
    summary.count += row.weight
    summary.rows += row.row_count
    summary.errors += row.errors
    if measure != DURATION:
        if values := row.numbers.get(measure.name):
            summary.add_measured(*values)
        return
    duration = row.duration
    summary.add_measured(duration["measured"], duration["total"], duration["low"], duration["high"])
    summary.digest.add_all(duration["codes"], duration["counts"])
