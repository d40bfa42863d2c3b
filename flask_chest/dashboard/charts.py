"""From figures over time to a chart and the table that says the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..query.query import Query
from ..query.summary import Series, Summary
from .params import spell_moment

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    :param name: its id in the page.
    :param title: what it shows.
    :param unit: of its values.
    :param starts: when intervals begin: seconds since 1970.
    :param step: seconds of each.
    :param lines: label and values.
    :param stacked: as areas, one on top of the other.
    :param drill: a URL of requests, to which the range of a point is added.
    :param nothing: the value of an interval that has no records: 0 of what is counted.
    """

    name: str
    title: str
    unit: str
    starts: Sequence[float]
    step: float
    lines: Sequence[tuple[str, Values]]
    stacked: bool = False
    drill: str = ""
    nothing: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no value at all."""
        return not any(self._tells(values) for _, values in self.lines)

    def payload(self) -> dict[str, Any]:
        """What the script draws."""
        return {
            "x": list(self.starts),
            "step": self.step,
            "unit": self.unit,
            "stacked": self.stacked,
            "drill": self.drill,
            "lines": [{"label": label, "values": list(values)} for label, values in self.lines],
        }

    def rows(self) -> list[tuple[str, str, list[float | None]]]:
        """Begin, end and values of each interval that has any, the latest first."""
        found = []
        for place, start in enumerate(self.starts):
            values = [line[place] for _, line in self.lines]
            if self._tells(values):
                found.append((spell_moment(start), spell_moment(start + self.step), values))
        return found[::-1]

    def _tells(self, values: Iterable[float | None]) -> bool:
        return any(value is not None and value != self.nothing for value in values)


def rates(series: Series, query: Query) -> tuple[Values, Values]:
    """Requests and errors per second."""
    counts, errors = [], []
    for place, length in enumerate(_lengths(series, query)):
        found = [line[place] for line in series.lines.values()]
        counts.append(sum(each.count for each in found) / length)
        errors.append(sum(each.errors for each in found) / length)
    return counts, errors


def percentiles(series: Series) -> list[tuple[str, Values]]:
    """p50, p95 and p99."""
    found = [each.percentiles for each in _together(series)]
    return [(name, [each[at] for each in found]) for at, name in enumerate(("p50", "p95", "p99"))]


def means(series: Series) -> Values:
    """The mean of each interval."""
    return [each.mean for each in _together(series)]


def sums(series: Series) -> Values:
    """The sum of each interval."""
    return [each.total if each.measured else None for each in _together(series)]


def shares(series: Series) -> list[tuple[str, Values]]:
    """How often each value was there, the most frequent one first."""
    counts = {key: sum(each.count for each in line) for key, line in series.lines.items()}
    order = sorted(counts, key=lambda key: -counts[key])
    return [
        ("(none)" if key is None else key[:80], [each.count for each in series.lines[key]])
        for key in order
    ]


def _together(series: Series) -> list[Summary]:
    if len(series.lines) == 1:
        return next(iter(series.lines.values()))
    together = [Summary() for _ in series.starts]
    for line in series.lines.values():
        for whole, part in zip(together, line, strict=True):
            whole.merge(part)
    return together


def _lengths(series: Series, query: Query) -> list[float]:
    """Seconds of each interval that the range has: the last one may have just begun."""
    begin, end = query.since.timestamp(), query.until.timestamp()
    return [max(1.0, min(start + series.step, end) - max(start, begin)) for start in series.starts]
