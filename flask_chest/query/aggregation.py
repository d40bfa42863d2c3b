"""Aggregates the rows that a store returns into an answer or a series."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .answer import Answer, Group, Series, Summary
from .query import Query
from .time_intervals import interval_starts

#: Maximum number of rows, one for each group and value, before the biggest groups are selected.
MAX_ROWS = 20_000


def aggregate_answer(rows: Iterable[Any], fraction: float, limit: int) -> Answer:
    """Add up the rows of each group.

    :param rows: tuples of group, interval, value of the measure, number of records, their weight,
        and the weight of errors.
    :param fraction: the fraction of the range that the rows cover.
    :param limit: how many groups the answer lists.
    """
    summaries: dict[str | None, Summary] = {}
    for row in rows:
        key = row[0]
        summary = summaries.get(key)
        if summary is None:
            summary = summaries[key] = Summary()
        _add_row(summary, row, fraction)
    return limit_answer(summaries, fraction, limit)


def limit_answer(summaries: Mapping[str | None, Summary], fraction: float, limit: int) -> Answer:
    """An answer that lists the biggest groups and merges all others into one.

    :param fraction: the fraction of the range that the summaries cover.
    :param limit: how many groups the answer lists.
    """
    groups = [Group(key, summary) for key, summary in summaries.items()]
    groups.sort(key=lambda group: rank(group.key, group.summary.count))
    rest = Summary()
    for group in groups[limit:]:
        rest.merge(group.summary)
    return Answer(groups[:limit], rest, fraction, complete=len(groups) <= limit)


def aggregate_series(rows: Iterable[Any], query: Query, step: float, fraction: float) -> Series:
    """Add up the rows of each group and interval.

    :param rows: as for :func:`aggregate_answer`.
    :param step: length of an interval in seconds.
    :param fraction: the fraction of the range that the rows cover.
    """
    series = empty_series(query, step, fraction)
    add_to_series(series, rows, fraction)
    return series


def add_to_series(series: Series, rows: Iterable[Any], fraction: float) -> None:
    """Add rows to a series; parameters as for :func:`aggregate_answer`."""
    for row in rows:
        _add_row(summary_at(series, row[0], int(row[1])), row, fraction)


def answer_from_series(series: Series, limit: int) -> Answer:
    """The answer for the whole range of a series.

    :param limit: how many groups the answer lists.
    """
    summaries: dict[str | None, Summary] = {}
    for key, line in series.lines.items():
        whole = summaries[key] = Summary()
        for each in line:
            whole.merge(each)
    return replace(limit_answer(summaries, series.fraction, limit), records=series.records)


def limit_lines(
    series: Series, number: int, fraction: float, keys: Sequence[str | None] | None = None
) -> Series:
    """The lines of the groups with the highest counts.

    :param number: how many lines.
    :param fraction: the fraction of the range that the series covers.
    :param keys: groups to return instead of the biggest ones.
    """
    counts = {key: sum(each.count for each in line) for key, line in series.lines.items()}
    biggest = sorted(counts, key=lambda key: rank(key, counts[key]))[:number]
    lines = {key: series.lines[key] for key in keys or biggest if key in counts}
    return Series(series.starts, series.step, lines, fraction)


def biggest_keys(rows: Iterable[Any], number: int) -> list[str | None]:
    """The keys of the groups with the highest counts.

    :param rows: as for :func:`aggregate_answer`.
    :param number: how many keys.
    """
    counts: dict[str | None, float] = {}
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0.0) + float(row[4])
    return sorted(counts, key=lambda key: rank(key, counts[key]))[:number]


def empty_series(query: Query, step: float, fraction: float = 1.0) -> Series:
    """The intervals of a query's range, without lines.

    :param step: length of an interval in seconds.
    """
    return Series(interval_starts(query.first_interval, query.until, step), step, {}, fraction)


def summary_at(series: Series, key: str | None, interval: int) -> Summary:
    """The summary of one group in one interval.

    :param interval: number of the interval, from 0.
    """
    line = series.lines.get(key)
    if line is None:
        line = series.lines[key] = [Summary() for _ in series.starts]
    return line[min(max(interval, 0), len(line) - 1)]


def rank(key: str | None, count: float) -> tuple[int, bool, str]:
    """The position of a group among others: a sort key.

    Groups are listed by descending count, to the thousandth, since weights such as 1 / 0.3 add up
    to slightly different sums in a different order. Then code points decide, and the group without
    a value is the last one.
    """
    return -math.floor(count * 1000 + 0.5), key is None, key or ""


def _add_row(summary: Summary, row: Any, fraction: float) -> None:
    # An answer has thousands of rows: unpacking once is the fastest way.
    _, _, value, number, weight, errors = row
    # MariaDB returns decimals.
    weight = float(weight) / fraction
    if fraction < 1:
        summary.is_sampled = True
    summary.count += weight
    summary.rows += number
    summary.errors += float(errors) / fraction
    if value is None:
        return
    value = float(value)
    summary.add_measured(weight, weight * value, value, value)
    summary.digest.add(value, weight)
