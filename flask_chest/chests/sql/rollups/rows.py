"""One row of sums, in memory and in its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....query.fields import Field
from ....query.percentiles import Digest
from ....query.query import DURATION
from ....query.summary import Summary


@dataclass(slots=True)
class Sums:
    """What the records of one route amount to in an hour or a day.

    :param is_request: whether they are requests; else commands and jobs.
    :param route: their route.
    :param summary: their number, their errors, their durations.
    :param numbers: by variable: weight, sum, least, greatest.
    """

    is_request: bool
    route: str | None
    summary: Summary
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def merge(self, other: Sums) -> None:
        """Add another hour's or day's."""
        self.summary.merge(other.summary)
        for name, figures in other.numbers.items():
            mine = self.numbers.get(name)
            if mine is None:
                self.numbers[name] = list(figures)
                continue
            self.numbers[name] = [
                mine[0] + figures[0],
                mine[1] + figures[1],
                min(mine[2], figures[2]),
                max(mine[3], figures[3]),
            ]


def to_row(step: int, start: int, sums: Sums) -> dict[str, Any]:
    """As it stands in its table, without its id."""
    summary = sums.summary
    counts = summary.digest.counts
    return {
        "step": step,
        "start": start,
        "is_request": sums.is_request,
        "route": sums.route,
        "row_count": summary.rows,
        "weight": summary.count,
        "errors": summary.errors,
        "duration": {
            "total": summary.total,
            "measured": summary.measured,
            "low": summary.low,
            "high": summary.high,
            # Hours are many: two lists are read faster than an object, and thousandths are short.
            "codes": list(counts),
            "counts": [round(n, 3) for n in counts.values()],
        },
        "numbers": sums.numbers,
    }


def from_row(row: Mapping[str, Any]) -> Sums:
    """From its table."""
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
    return Sums(bool(row["is_request"]), row["route"], summary, dict(row.get("numbers", {})))


def add_row(summary: Summary, row: Any, measure: Field) -> None:
    """Add what a row of the table tells to figures; of a variable it tells no percentiles.

    A year has thousands of rows, each with a hundred buckets: no object is made of any.
    """
    summary.count += row.weight
    summary.rows += row.row_count
    summary.errors += row.errors
    if measure != DURATION:
        if figures := row.numbers.get(measure.name):
            summary.add_measured(*figures)
        return
    found = row.duration
    summary.add_measured(found["measured"], found["total"], found["low"], found["high"])
    summary.digest.add_all(found["codes"], found["counts"])
