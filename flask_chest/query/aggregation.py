"""From rows of figures to an answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .query import Query
from .summary import Answer, Group, Series, Summary


def aggregate_answer(rows: Iterable[Any], fraction: float, limit: int) -> Answer:
    """Add up the rows of each group.

    :param rows: group, interval, bucket; records, their weight, that of the errors, the sum, the
        least and the greatest of what is measured; no sum where that would be too great.
    :param share: the share of the records that the rows stand for.
    :param limit: how many groups are told by name.
    """
    found: dict[str | None, Summary] = {}
    for row in rows:
        key = row[0]
        summary = found.get(key)
        if summary is None:
            summary = found[key] = Summary()
        _add(summary, row, fraction)
    return limit_answer(found, fraction, limit)


def limit_answer(found: Mapping[str | None, Summary], fraction: float, limit: int) -> Answer:
    """The biggest groups, and the others together.

    :param limit: how many groups are told by name.
    """
    groups = [Group(key, summary) for key, summary in found.items()]
    groups.sort(key=lambda group: (-group.summary.count, group.key or ""))
    rest = Summary()
    for group in groups[limit:]:
        rest.merge(group.summary)
    return Answer(groups[:limit], rest, fraction, complete=len(groups) <= limit)


def subtract_groups(whole: Summary, groups: Iterable[Group]) -> Summary:
    """What is left of a whole beside some of its groups; its least and greatest are not known."""
    for group in groups:
        for name in ("count", "rows", "errors", "measured"):
            left = getattr(whole, name) - getattr(group.summary, name)
            setattr(whole, name, max(0, left))
        whole.total -= group.summary.total
        for code, weight in group.summary.digest.counts.items():
            whole.digest.add(code, -weight)
    whole.digest.counts = {code: n for code, n in whole.digest.counts.items() if n > 1e-6}
    whole.low = whole.high = None
    if not whole.digest.counts:
        whole.total = whole.measured = 0.0  # and not what rounding left of them
    return whole if whole.rows else Summary()


def aggregate_series(rows: Iterable[Any], query: Query, step: float, fraction: float) -> Series:
    """Put the rows of each group and interval in their places.

    :param rows: as for :func:`aggregate_answer`.
    """
    series = empty_series(query, step, fraction)
    add_to_series(series, rows, fraction)
    return series


def add_to_series(series: Series, rows: Iterable[Any], fraction: float) -> None:
    """Add rows to what is there."""
    for row in rows:
        _add(summary_at(series, row[0], int(row[1])), row, fraction)


def answer_from_series(series: Series, limit: int) -> Answer:
    """The figures of each group of a series, over its whole range.

    :param limit: how many groups are told by name.
    """
    found: dict[str | None, Summary] = {}
    for key, line in series.lines.items():
        whole = found[key] = Summary()
        for each in line:
            whole.merge(each)
    return limit_answer(found, series.fraction, limit)


def limit_lines(
    series: Series, number: int, fraction: float, keys: Sequence[str | None] | None = None
) -> Series:
    """The groups with the highest counts.

    :param share: the share of the records that was looked at.
    :param keys: these groups, in place of the biggest ones.
    """
    counts = {key: sum(each.count for each in line) for key, line in series.lines.items()}
    biggest = sorted(counts, key=lambda key: (-counts[key], key or ""))[:number]
    lines = {key: series.lines[key] for key in keys or biggest if key in counts}
    return Series(series.starts, series.step, lines, fraction)


def empty_series(query: Query, step: float, fraction: float = 1.0) -> Series:
    """The intervals of a range, without any line."""
    number = max(1, math.ceil(query.seconds / step))
    begin = query.since.timestamp()
    return Series([begin + step * place for place in range(number)], step, {}, fraction)


def summary_at(series: Series, key: str | None, interval: int) -> Summary:
    """The figures of one group and interval."""
    line = series.lines.get(key)
    if line is None:
        line = series.lines[key] = [Summary() for _ in series.starts]
    return line[min(max(interval, 0), len(line) - 1)]


def _add(summary: Summary, row: Any, fraction: float) -> None:
    # Taken apart at once: a question has thousands of rows.
    _, _, code, number, weight, errors, total, low, high = row
    weight = float(weight) / fraction
    summary.count += weight
    summary.rows += number
    summary.errors += float(errors) / fraction
    if code is None:
        return
    # MariaDB gives decimals.
    low, high = float(low), float(high)
    total = weight * (low / 2 + high / 2) if total is None else float(total) / fraction
    summary.add_measured(weight, total, low, high)
    summary.digest.add(int(code), weight)
