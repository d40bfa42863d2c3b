"""One rollup: the aggregates of one route in one hour or day, in memory and as a row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....query.answer import Summary
from ....query.fields import Field
from ....query.percentiles import Digest, bucket_value
from ....query.query import DURATION

# The rest of a subtraction of equal weights, which are rounded to thousandths.
_NOTHING = 0.0005


@dataclass(slots=True)
class Rollup:
    """The aggregates of one route in one hour or day.

    :param is_request: whether the records are requests; otherwise commands and jobs.
    :param route: the route of the records.
    :param summary: count, errors and durations. Its digest is of buckets, not of values.
    :param numbers: weight and sum of each numeric variable. There is no minimum and no maximum:
        these are values of single requests, and would outlive the requests.
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
            self.numbers[name] = [own[0] + values[0], own[1] + values[1]]

    def subtract(self, other: Rollup) -> None:
        """Subtract a rollup whose records are part of this one."""
        own, part = self.summary, other.summary
        own.count -= part.count
        own.rows -= part.rows
        own.errors -= part.errors
        own.total -= part.total
        own.measured -= part.measured
        for bucket, weight in part.digest.counts.items():
            own.digest.add(bucket, -weight)
        own.digest = Digest({b: n for b, n in own.digest.counts.items() if n > _NOTHING})
        for name, (weight, total) in other.numbers.items():
            values = self.numbers.get(name, [0.0, 0.0])
            left = values[0] - weight
            self.numbers[name] = [left, values[1] - total if left > _NOTHING else 0.0]


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
            # There are many hours: two lists are parsed faster than an object, and rounded numbers
            # are short.
            "codes": [int(code) for code in counts],
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
        digest=Digest(dict(zip(duration["codes"], duration["counts"], strict=True))),
    )
    # Rows of development versions also have a minimum and a maximum.
    numbers = {name: list(values[:2]) for name, values in row["numbers"].items()}
    return Rollup(bool(row["is_request"]), row["route"], summary, numbers)


def add_row(summary: Summary, row: Any, measure: Field) -> None:
    """Add a row to a summary, without percentiles if the measure is a variable.

    A year has thousands of rows with a hundred buckets each, so no ``Rollup`` is created.
    """
    summary.count += row.weight
    summary.rows += row.row_count
    summary.errors += row.errors
    if measure != DURATION:
        if values := row.numbers.get(measure.name):
            summary.add_measured(values[0], values[1], None, None)
        return
    duration = row.duration
    codes = duration["codes"]
    # The shortest and the longest duration, as exactly as the digest knows them.
    low, high = (bucket_value(min(codes)), bucket_value(max(codes))) if codes else (None, None)
    summary.add_measured(duration["measured"], duration["total"], low, high)
    summary.digest.add_all(map(bucket_value, codes), duration["counts"])


def rollup_id(step: int, start: int, rollup: Rollup) -> str:
    """The id of a rollup's row."""
    key = f"{rollup.is_request}:{'-' if rollup.route is None else '=' + rollup.route}"
    # Truncated: a collision would be of no use to an attacker.
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{step}-{start}-{digest}"
