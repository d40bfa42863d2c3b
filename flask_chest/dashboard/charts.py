"""Charts, and the tables with the same values that stand below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..query.aggregation import rank
from ..query.answer import Series, Summary
from ..query.query import Query
from .template_filters import short
from .url_params import format_time

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    :param name: its id in the page.
    :param title: its title.
    :param unit: the unit of its values.
    :param starts: the starts of the intervals, in seconds since 1970.
    :param step: the length of an interval in seconds.
    :param query: the chart's query. Its range may begin and end within an interval.
    :param lines: a label and values for each line.
    :param stacked: whether to draw the lines as areas on top of each other.
    :param requests_url: URL of the requests page; a click on a point adds the point's range.
        Empty if points are not links.
    :param empty_value: the value of an interval without records: 0 for counts.
    """

    name: str
    title: str
    unit: str
    starts: Sequence[float]
    step: float
    query: Query
    lines: Sequence[tuple[str, Values]]
    stacked: bool = False
    requests_url: str = ""
    empty_value: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no interval has a value."""
        return not any(self._has_data(values) for _, values in self.lines)

    def payload(self) -> dict[str, Any]:
        """Return the data that ``chest.js`` draws."""
        return {
            "x": list(self.starts),
            "step": self.step,
            "since": self._range[0],
            "until": self._range[1],
            "unit": self.unit,
            "stacked": self.stacked,
            "requestsUrl": self.requests_url,
            "lines": [{"label": label, "values": list(values)} for label, values in self.lines],
        }

    def rows(self) -> list[tuple[str, str, list[float | None]]]:
        """Return start, end and values of each interval that has values, latest first."""
        found = []
        for index, start in enumerate(self.starts):
            values = [line[index] for _, line in self.lines]
            if self._has_data(values):
                begin, end = self._range
                end = min(start + self.step, end)
                found.append((format_time(max(start, begin)), format_time(end), values))
        return found[::-1]

    @property
    def _range(self) -> tuple[float, float]:
        return self.query.since.timestamp(), self.query.until.timestamp()

    def _has_data(self, values: Iterable[float | None]) -> bool:
        return any(value is not None and value != self.empty_value for value in values)


def rates(series: Series, query: Query) -> tuple[Values, Values]:
    """Return the requests and the errors per second of each interval."""
    counts, errors = [], []
    for index, seconds in enumerate(_lengths(series, query)):
        found = [line[index] for line in series.lines.values()]
        counts.append(sum(each.count for each in found) / seconds)
        errors.append(sum(each.errors for each in found) / seconds)
    return counts, errors


def percentiles(series: Series) -> list[tuple[str, Values]]:
    """Return p50, p95 and p99 of each interval."""
    found = [each.percentiles for each in _merged(series)]
    return [
        (name, [each[index] for each in found]) for index, name in enumerate(("p50", "p95", "p99"))
    ]


def means(series: Series) -> Values:
    """Return the mean of each interval."""
    return [each.mean for each in _merged(series)]


def sums(series: Series) -> Values:
    """Return the sum of each interval."""
    return [each.total if each.measured else None for each in _merged(series)]


def value_counts(series: Series) -> list[tuple[str, Values]]:
    """Return how often each value occurs in each interval, the most frequent value first."""
    counts = {key: sum(each.count for each in line) for key, line in series.lines.items()}
    order = sorted(counts, key=lambda key: rank(key, counts[key]))
    return [
        ("(none)" if key is None else short(key), [each.count for each in series.lines[key]])
        for key in order
    ]


def _merged(series: Series) -> list[Summary]:
    if len(series.lines) == 1:
        return next(iter(series.lines.values()))
    merged = [Summary() for _ in series.starts]
    for line in series.lines.values():
        for whole, part in zip(merged, line, strict=True):
            whole.merge(part)
    return merged


def _lengths(series: Series, query: Query) -> list[float]:
    """Return how many seconds of each interval lie in the query's range, at least 1."""
    begin, end = query.since.timestamp(), query.until.timestamp()
    return [max(1.0, min(start + series.step, end) - max(start, begin)) for start in series.starts]
